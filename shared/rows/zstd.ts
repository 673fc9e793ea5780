/** zstd without a native build: `node:zlib` where it has it (Node 22.15, 23.8), else WebAssembly. */
import * as zlib from "node:zlib";

export interface Zstd {
  readonly compress: (bytes: Uint8Array) => Uint8Array;
  /** `length` is the length of the result, or more. */
  readonly decompress: (bytes: Uint8Array, length: number) => Uint8Array;
}

/** The level at which text compresses well for its time; levels above cost more than they save. */
const LEVEL = 1;

interface NativeZstd {
  readonly zstdCompressSync: (bytes: Uint8Array, options: { readonly params: Record<number, number> }) => Uint8Array;
  readonly zstdDecompressSync: (bytes: Uint8Array) => Uint8Array;
  readonly constants: { readonly ZSTD_c_compressionLevel: number };
}

let loaded: Promise<Zstd> | undefined;

/** Loads once in each thread. */
export function loadZstd(): Promise<Zstd> {
  loaded ??= "zstdCompressSync" in zlib ? Promise.resolve(native(zlib as unknown as NativeZstd)) : webAssembly();
  return loaded;
}

function native({ zstdCompressSync, zstdDecompressSync, constants }: NativeZstd): Zstd {
  const options = { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } };
  return {
    compress: (bytes) => zstdCompressSync(bytes, options),
    decompress: (bytes) => zstdDecompressSync(bytes),
  };
}

async function webAssembly(): Promise<Zstd> {
  const { init, compress, decompress } = await import("@bokuweb/zstd-wasm");
  await init();
  return {
    compress: (bytes) => compress(bytes, LEVEL),
    decompress: (bytes, length) => decompress(bytes, { defaultHeapSize: length }),
  };
}
