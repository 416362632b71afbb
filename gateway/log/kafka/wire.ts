/**
 * The primitive types of Kafka's protocol (big endian), as its messages are made of them. Flexible messages (the newer
 * encoding) count in varints from 1 and end each structure with tagged fields.
 */
export class WireWriter {
  #bytes: Buffer
  #length = 0

  constructor(sizeHint = 256) {
    this.#bytes = Buffer.allocUnsafeSlow(sizeHint)
  }

  bool(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }

  int8(value: number): this {
    this.#length = this.#room(1).writeInt8(value, this.#length)
    return this
  }

  int16(value: number): this {
    this.#length = this.#room(2).writeInt16BE(value, this.#length)
    return this
  }

  int32(value: number): this {
    this.#length = this.#room(4).writeInt32BE(value, this.#length)
    return this
  }

  int64(value: bigint): this {
    this.#length = this.#room(8).writeBigInt64BE(value, this.#length)
    return this
  }

  uvarint(value: number): this {
    let rest = value
    for (; rest >= 0x80; rest >>>= 7) this.int8((((rest & 0x7f) | 0x80) << 24) >> 24)
    return this.int8(rest)
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    return this.int16(Buffer.byteLength(value)).#text(value)
  }

  bytes(value: Uint8Array): this {
    return this.int32(value.length).raw(value)
  }

  array<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.int32(items.length)
    for (const item of items) write(item)
    return this
  }

  compactString(value: string | null): this {
    if (value === null) return this.uvarint(0)
    return this.uvarint(Buffer.byteLength(value) + 1).#text(value)
  }

  compactArray<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.uvarint(items.length + 1)
    for (const item of items) write(item)
    return this
  }

  /** No tagged fields. */
  tags(): this {
    return this.uvarint(0)
  }

  raw(value: Uint8Array): this {
    this.#room(value.length).set(value, this.#length)
    this.#length += value.length
    return this
  }

  written(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #text(value: string): this {
    const length = Buffer.byteLength(value)
    this.#room(length).write(value, this.#length)
    this.#length += length
    return this
  }

  #room(bytes: number): Buffer {
    if (this.#length + bytes > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + bytes))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    return this.#bytes
  }
}

/** Reads what `WireWriter` writes. Reading beyond the end throws RangeError: the answer was cut or misunderstood. */
export class WireReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  bool(): boolean {
    return this.int8() !== 0
  }

  int8(): number {
    return this.#bytes.readInt8(this.#pass(1))
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#pass(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#pass(4))
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#pass(8))
  }

  /** An int64 that is an offset: exact as a number, or RangeError. */
  offset(): number {
    const value = Number(this.int64())
    if (!Number.isSafeInteger(value)) throw new RangeError(`Offset ${value} is beyond 2^53.`)
    return value
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 32; shift += 7) {
      const byte = this.int8()
      value |= (byte & 0x7f) << shift
      if (byte >= 0) return value >>> 0
    }
    throw new RangeError('A varint of the answer has more than 32 bits.')
  }

  string(): string {
    return this.nullableString() ?? ''
  }

  nullableString(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.#text(length)
  }

  bytes(): Buffer {
    return this.raw(Math.max(0, this.int32()))
  }

  array<Item>(read: () => Item): readonly Item[] {
    return this.#items(this.int32(), read)
  }

  compactString(): string {
    return this.compactNullableString() ?? ''
  }

  compactNullableString(): string | null {
    const length = this.uvarint()
    return length === 0 ? null : this.#text(length - 1)
  }

  compactArray<Item>(read: () => Item): readonly Item[] {
    return this.#items(this.uvarint() - 1, read)
  }

  /** Passes over tagged fields: all of them are optional. */
  tags(): void {
    for (let count = this.uvarint(); count > 0; count -= 1) {
      this.uvarint()
      this.#pass(this.uvarint())
    }
  }

  raw(length: number): Buffer {
    const from = this.#pass(length)
    return this.#bytes.subarray(from, from + length)
  }

  #text(length: number): string {
    return this.raw(length).toString('utf8')
  }

  #items<Item>(count: number, read: () => Item): readonly Item[] {
    const items: Item[] = []
    for (let place = 0; place < count; place += 1) items.push(read())
    return items
  }

  #pass(length: number): number {
    const from = this.#at
    this.#at += length
    if (this.#at > this.#bytes.length) throw new RangeError('The answer ends too early.')
    return from
  }
}
