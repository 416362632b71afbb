/**
 * Where a record with this key goes: `toPositive(murmur2(utf8(key))) % partitions`, as the default partitioner of
 * Kafka's Java client does, so that a consumer which computes the partition itself looks in the right place.
 * A record without a key goes to partition 0.
 */
export function partitionOf(key: string | null, partitions: number): number {
  return partitionOfBytes(key === null ? null : encoder.encode(key), partitions)
}

/** The same of a key that is in UTF-8 already. */
export function partitionOfBytes(key: Uint8Array | null, partitions: number): number {
  return key === null ? 0 : (murmur2(key) & 0x7fffffff) % partitions
}

/** MurmurHash2 (Austin Appleby, public domain) with the seed of Kafka's Java client; a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  const whole = length & ~3
  let hash = SEED ^ length
  for (let at = 0; at < whole; at += 4) {
    let word = byte(bytes, at) | (byte(bytes, at + 1) << 8)
    word |= (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24)
    word = Math.imul(word, MIX)
    word ^= word >>> 24
    hash = Math.imul(hash, MIX) ^ Math.imul(word, MIX)
  }
  const rest = length - whole
  if (rest >= 3) hash ^= byte(bytes, whole + 2) << 16
  if (rest >= 2) hash ^= byte(bytes, whole + 1) << 8
  if (rest >= 1) hash = Math.imul(hash ^ byte(bytes, whole), MIX)
  hash ^= hash >>> 13
  hash = Math.imul(hash, MIX)
  return hash ^ (hash >>> 15)
}

const SEED = 0x9747b28c
const MIX = 0x5bd1e995
const encoder = new TextEncoder()

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
