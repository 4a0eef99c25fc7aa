/** FNV-1a over 32-bit words, then the bytes that are left: 0 to 2^32 - 1. Tells accidents, not attacks. */
export function hashBytes(bytes: Uint8Array, start = 0x811c9dc5): number {
  let hash = start | 0;
  const { buffer, byteOffset, length } = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const words = new Int32Array(buffer, byteOffset, length >> 2);
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ words[i]!, 0x01000193);
  for (let i = words.length * 4; i < length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}
