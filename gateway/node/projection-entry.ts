/**
 * The entries of a projection as bytes: hash (4), length of the key, length of the value plus one (0: gone), key, value.
 * Lengths are variable-length integers. A key is its kind, one byte, and its text in UTF-8.
 */

/** What an entry says, and of what its text is the key. Only a row counts as said: the others point to it. */
export const KIND = {
  /** Source key: its row. */
  row: 1,
  /** Record key: the source key that holds it, or held it. */
  owner: 2,
  /** Record key under which another lane has published. */
  foreign: 3,
  /** Source key: the pass that named it last. */
  seen: 4,
} as const

export type Kind = (typeof KIND)[keyof typeof KIND]

/** Bits of a hash; so many that sorting and comparing stay with small integers. */
export const HASH_BITS = 31

/** Of these the last character has the lowest, so that keys in a row lie in a place and are read in one go. */
const TAIL_BITS = 6

/**
 * A key to look for or to write, as bytes with its two hashes; one is made and set again for each key. Entries lie in
 * the order of `hash`, which is the same for all kinds of a text; `spread` is what filters and slots go by.
 */
export class Key {
  bytes = Buffer.alloc(256)
  length = 0
  hash = 0
  spread = 0

  set(kind: Kind, text: string): this {
    if (this.bytes.length < text.length * 3 + 1) this.bytes = Buffer.alloc(text.length * 6)
    const { bytes } = this
    bytes[0] = kind
    let end = 1
    for (; end <= text.length; end += 1) {
      const unit = text.charCodeAt(end - 1)
      if (unit > 0x7f) break
      bytes[end] = unit
    }
    this.length = end > text.length ? end : 1 + bytes.write(text, 1, 'utf8')
    const last = this.length - 1
    const before = hashOf(bytes, 1, last)
    const tail = last > 0 ? (bytes[last] ?? 0) : 0
    this.hash = ((mixed(before) >>> (32 - HASH_BITS)) & -(1 << TAIL_BITS)) | (tail & ((1 << TAIL_BITS) - 1))
    this.spread = spreadOf(kind, last > 0 ? hashOf(bytes, last, this.length, before) : before)
    return this
  }
}

/** Hashes say where to look; what is found there is compared byte by byte. */
function hashOf(bytes: Uint8Array, start: number, end: number, from = 0x811c9dc5): number {
  let hash = from
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193)
  return hash
}

function spreadOf(kind: number, hash: number): number {
  return mixed(hash ^ Math.imul(kind, 0x9e3779b1))
}

function mixed(hash: number): number {
  let bits = hash
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

/** Where the parts of an entry lie; one is made and set again for each, as there are millions. */
export class Entry {
  bytes: Buffer
  start = 0
  hash = 0
  keyStart = 0
  valueStart = 0
  end = 0
  isGone = false
  readonly #reader: Reader

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#reader = new Reader(bytes)
  }

  /** Sets it to the entry at a place; false where none lies whole before `limit`. */
  read(start: number, limit: number): boolean {
    if (start + ENTRY_BYTES_MIN > limit) return false
    const reader = this.#reader
    reader.bytes = this.bytes
    reader.at = start + HASH_BYTES
    this.start = start
    this.hash = this.bytes.readInt32LE(start)
    const keyLength = reader.count()
    const size = reader.count()
    this.keyStart = reader.at
    this.valueStart = this.keyStart + keyLength
    this.isGone = size === 0
    this.end = this.valueStart + (size === 0 ? 0 : size - 1)
    return this.end <= limit && keyLength > 0
  }

  get kind(): number {
    return this.bytes[this.keyStart] ?? 0
  }

  get text(): string {
    return this.bytes.toString('utf8', this.keyStart + 1, this.valueStart)
  }

  spread(): number {
    return spreadOf(this.kind, hashOf(this.bytes, this.keyStart + 1, this.valueStart))
  }

  isKey(key: Key): boolean {
    if (this.hash !== key.hash || this.valueStart - this.keyStart !== key.length) return false
    // From the end: what differs between neighbours differs there.
    for (let at = key.length - 1; at >= 0; at -= 1) {
      if (this.bytes[this.keyStart + at] !== key.bytes[at]) return false
    }
    return true
  }
}

const HASH_BYTES = 4

/** A hash, two lengths and a kind. */
const ENTRY_BYTES_MIN = HASH_BYTES + 3

/** Bytes that an entry takes at most, beyond its key and its value. */
export const ENTRY_HEAD_BYTES = HASH_BYTES + 16

/** Writes an entry; returns where it ends. `value` null: what the key had is gone. */
export function writeEntry(bytes: Buffer, start: number, key: Key, value: Uint8Array | null): number {
  bytes.writeInt32LE(key.hash, start)
  let at = writeCount(bytes, start + HASH_BYTES, key.length)
  at = writeCount(bytes, at, value === null ? 0 : value.length + 1)
  for (let index = 0; index < key.length; index += 1) bytes[at + index] = key.bytes[index] ?? 0
  at += key.length
  if (value === null) return at
  bytes.set(value, at)
  return at + value.length
}

/** Reads counts of variable length, seven bits a byte, one after the other. */
export class Reader {
  bytes: Buffer
  at = 0

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  count(): number {
    let byte = this.bytes[this.at++] ?? 0
    let value = byte & 0x7f
    for (let factor = 128; byte >= 0x80; factor *= 128) {
      byte = this.bytes[this.at++] ?? 0
      value += (byte & 0x7f) * factor
    }
    return value
  }
}

/** Writes a count of variable length; returns where it ends. */
export function writeCount(bytes: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = value
  while (rest >= 0x80) {
    bytes[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  bytes[at++] = rest
  return at
}
