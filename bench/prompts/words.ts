/**
 * The words that synthetic prompts and nonces are made of: 256, so that a word stands for one byte. All of them are one
 * token each in SmolLM2's vocabulary, at a text's start as behind a space, and common enough to be so in other large ones.
 */
export const WORDS: readonly string[] = (
  "able above after age all alone always animal apple around ask back bag bank bear bed before bell best bird blood " +
  "board body book both box branch break bright brown burn business call car care cat cause center change child " +
  "circle class clear close cloud cold color common cook corn country cover cross cut daughter deal develop " +
  "distance dog double draw dream dry duty early east edge egg electric energy enough event every face fair family " +
  "famous farm father field figure film find finger fire fish five floor flower follow foot force form free friend " +
  "fruit game gate give gold grass green group guess hair hand happy hat heart heavy high history hold home hot " +
  "human idea inch jump key king lake large late lead learn left letter lie light list live long love machine map " +
  "mark master meat middle mind minute moment month mother mouth music nation neck new nine noise nose ocean office " +
  "old orange outside page paper park party path peace picture place plain planet plate point port pound press " +
  "problem program pull quick race rain reach ready reason red rest ride ring road room rose rule safe sand school " +
  "sea seat seed sell sense seven share ship shop short sight sing size sky slow snow soil song soon south spring " +
  "stand start station stone store stream strong sugar sun surface talk team test think three time tool touch track " +
  "train tree true two value voice walk war warm watch wave weather weight wheel wide wild window winter woman word " +
  "world yard yellow"
).split(" ");

/** 32 bits as four words. */
export function fourWords(bits: number): string {
  return `${WORDS[bits >>> 24]} ${WORDS[(bits >>> 16) & 255]} ${WORDS[(bits >>> 8) & 255]} ${WORDS[bits & 255]}`;
}
