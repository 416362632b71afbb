import type { Json } from '../adapters/contract.ts'

/**
 * The one JSON text of a value, for hashing: no blanks, no members that are null, keys in the order of their UTF-16 code
 * units, half surrogates escaped. Throws TypeError for what JSON cannot say (undefined, NaN, a bigint), where
 * JSON.stringify would drop or change it.
 */
export function canonicalJson(value: Json | undefined): string {
  const writer = new JsonWriter()
  writer.value(value)
  return writer.toString()
}

/**
 * Writes canonical JSON as UTF-8 into a buffer of its own, which is used again and again. Every record passes through
 * several times; to put texts together first, and to encode them for each hash, costs a multiple.
 */
export class JsonWriter {
  #bytes = Buffer.allocUnsafeSlow(KEPT_BYTES)
  #length = 0

  /** Bytes written. */
  get length(): number {
    return this.#length
  }

  /** Begins anew. What one huge record took is not kept. */
  reset(): void {
    this.#length = 0
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(KEPT_BYTES)
  }

  /** Takes back the last byte. */
  back(): void {
    this.#length -= 1
  }

  /** The buffer itself, of which `length` bytes are written. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** What was written, until it begins anew. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  toString(): string {
    return this.#bytes.toString('utf8', 0, this.#length)
  }

  value(value: Json | undefined): void {
    if (typeof value === 'string') this.text(value)
    else if (value === null) this.raw('null')
    else if (typeof value === 'object') this.#structure(value)
    else if (typeof value === 'boolean') this.raw(value ? 'true' : 'false')
    else if (typeof value === 'number' && Number.isFinite(value)) this.raw(JSON.stringify(value))
    else throw new TypeError(`A value of type ${typeof value} (${String(value)}) cannot stand in a record.`)
  }

  /** `"name":`, behind a comma unless it is the first. */
  name(name: string, isFirst: boolean): void {
    this.raw(memberName(name), isFirst ? 1 : 0)
  }

  /** A text in quotes. What must be escaped, half surrogates too, JSON.stringify knows best. */
  text(text: string): void {
    const start = this.#length
    this.#reserve(text.length)
    this.#bytes[this.#length++] = QUOTE
    if (this.#plain(text)) this.#bytes[this.#length++] = QUOTE
    else {
      this.#length = start
      this.raw(JSON.stringify(text))
    }
  }

  /** JSON as it is, from a place in it. */
  raw(json: string, from = 0): void {
    this.#reserve(json.length)
    const bytes = this.#bytes
    let at = this.#length
    if (json.length > LONG) {
      this.#length += bytes.write(from === 0 ? json : json.slice(from), at)
      return
    }
    for (let index = from; index < json.length; index++) {
      const unit = json.charCodeAt(index)
      if (unit >= 0x80) {
        at += bytes.write(json.slice(index), at)
        break
      }
      bytes[at++] = unit
    }
    this.#length = at
  }

  /** 36 bits as six letters of base64url. */
  bits(low: number, high: number): void {
    this.#reserve(BITS_LETTERS)
    const bytes = this.#bytes
    let at = this.#length
    bytes[at++] = letter(low)
    bytes[at++] = letter(low >>> 6)
    bytes[at++] = letter(low >>> 12)
    bytes[at++] = letter(low >>> 18)
    bytes[at++] = letter(low >>> 24)
    bytes[at++] = letter((low >>> 30) | (high << 2))
    this.#length = at
  }

  rawBytes(json: Uint8Array): void {
    this.#reserve(json.length)
    this.#bytes.set(json, this.#length)
    this.#length += json.length
  }

  #structure(value: readonly Json[] | { readonly [name: string]: Json }): void {
    let isFirst = true
    if (isList(value)) {
      this.raw('[')
      for (const item of value) {
        if (!isFirst) this.raw(',')
        isFirst = false
        this.value(item)
      }
      this.raw(']')
      return
    }
    this.raw('{')
    for (const name of sortedKeys(value)) {
      const member = value[name]
      if (member === null) continue
      this.name(name, isFirst)
      isFirst = false
      this.value(member)
    }
    this.raw('}')
  }

  /** Writes what needs no escape, most of it ASCII; false where it meets what does. */
  #plain(text: string): boolean {
    const bytes = this.#bytes
    let at = this.#length
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      if (unit < 0x80) {
        if (unit < 0x20 || unit === QUOTE || unit === BACKSLASH) return false
        bytes[at++] = unit
      } else if (unit < 0x800) {
        bytes[at++] = 0xc0 | (unit >> 6)
        bytes[at++] = 0x80 | (unit & 0x3f)
      } else {
        if (unit >= 0xd800 && unit <= 0xdfff) return false
        bytes[at++] = 0xe0 | (unit >> 12)
        bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
        bytes[at++] = 0x80 | (unit & 0x3f)
      }
    }
    this.#length = at
    return true
  }

  /** Room for so many UTF-16 units in quotes: none takes more than three bytes. */
  #reserve(units: number): void {
    const needed = this.#length + units * 3 + 2
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(needed * 2)
    larger.set(this.view())
    this.#bytes = larger
  }
}

/** From here on the call of a native function costs less than a loop. */
const LONG = 32

/** What a writer keeps between two records. */
const KEPT_BYTES = 1_000_000

const BITS_LETTERS = 6
const LETTERS = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')

/** Of the lowest six bits. */
function letter(bits: number): number {
  return LETTERS[bits & 0x3f] ?? 0
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

function isList(value: readonly Json[] | { readonly [name: string]: Json }): value is readonly Json[] {
  return Array.isArray(value)
}

/** Names are few, those of columns and of schemas, and come with every record. */
const MEMBER_NAMES = new Map<string, string>()
const MEMBER_NAMES_MAX = 10_000

/** `,"name":` */
function memberName(name: string): string {
  const known = MEMBER_NAMES.get(name)
  if (known !== undefined) return known
  if (MEMBER_NAMES.size >= MEMBER_NAMES_MAX) MEMBER_NAMES.clear()
  const text = `,${JSON.stringify(name)}:`
  MEMBER_NAMES.set(name, text)
  return text
}

/** Sorting by insertion: objects are small and often sorted already, where it is twice as fast as sort(). */
export function sortedKeys(object: object): string[] {
  const keys = Object.keys(object)
  if (keys.length > 40) return keys.sort()
  for (let index = 1; index < keys.length; index++) {
    const key = keys[index] ?? ''
    let place = index
    for (; place > 0; place--) {
      const before = keys[place - 1] ?? ''
      if (before <= key) break
      keys[place] = before
    }
    keys[place] = key
  }
  return keys
}
