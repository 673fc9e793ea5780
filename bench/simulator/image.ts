/**
 * The images that the simulator makes: valid PNGs of 4 by 4 pixels, a pure function of the prompt and the seed, so that a
 * test can tell whether a row carries its own image.
 */
import { crc32, deflateSync } from "node:zlib";
import { hashText } from "./hash.ts";

const SIDE = 4;
/** What a chunk takes beside its data. */
const CHUNK_BYTES = 12;
const SIGNATURE = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
/** Four by four, eight bits, RGB. */
const HEADER = chunk("IHDR", Buffer.from([0, 0, 0, SIDE, 0, 0, 0, SIDE, 8, 2, 0, 0, 0]));
const END = chunk("IEND", Buffer.alloc(0));

/** `leastBytes` is reached by a chunk that readers pass over, so that images of any size cost next to nothing. */
export function imageFor(prompt: string, seed: number | null, leastBytes = 0): Buffer {
  const pixels = chunk("IDAT", deflateSync(rows(`${seed ?? ""} ${prompt}`)));
  const bytes = SIGNATURE.length + HEADER.length + pixels.length + END.length;
  const lacking = leastBytes - bytes - CHUNK_BYTES;
  const filler = leastBytes <= bytes ? [] : [chunk("fiLl", Buffer.alloc(Math.max(0, lacking)))];
  return Buffer.concat([SIGNATURE, HEADER, ...filler, pixels, END]);
}

/** Each row of pixels behind a zero, which says that its bytes are the colours themselves. */
function rows(text: string): Buffer {
  const bytes = Buffer.alloc(SIDE * (1 + 3 * SIDE));
  for (let row = 0; row < SIDE; row++) {
    const { high, low } = hashText(`${row} ${text}`);
    const at = row * (1 + 3 * SIDE);
    bytes.writeUInt32BE(high, at + 1);
    bytes.writeUInt32BE(low, at + 5);
    bytes.writeUInt32BE((high ^ low) >>> 0, at + 9);
  }
  return bytes;
}

function chunk(type: string, data: Buffer): Buffer {
  const bytes = Buffer.alloc(CHUNK_BYTES + data.length);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, "latin1");
  data.copy(bytes, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length);
  return bytes;
}
