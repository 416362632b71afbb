import { ENTRY_HEAD_BYTES, Entry, type Key, writeEntry } from './projection-entry.ts'
import type { Cursor } from './projection-run.ts'

const FIRST_BYTES = 65_536
const FIRST_SLOTS = 1_024

/** Entries that are not in a run yet: bytes in the order of writing, and a hash table of where the newest of each key lies. */
export class Gathered {
  readonly #entry: Entry
  #bytes = Buffer.allocUnsafe(FIRST_BYTES)
  #end = 0
  /** One more than where an entry lies; 0 where the slot is free. */
  #slots = new Int32Array(FIRST_SLOTS)
  #keys = 0
  #sorted: BigUint64Array | null = null

  constructor() {
    this.#entry = new Entry(this.#bytes)
  }

  /** Of all that was put, what has been replaced since included. */
  get bytes(): number {
    return this.#end
  }

  get keys(): number {
    return this.#keys
  }

  /** Puts the newest value of a key; null: it is gone. */
  put(key: Key, value: Uint8Array | null): void {
    this.#makeRoom(key.length + (value?.length ?? 0) + ENTRY_HEAD_BYTES)
    const slot = this.#slotOf(key)
    if (this.#slots[slot] === 0) this.#keys += 1
    this.#slots[slot] = this.#end + 1
    this.#end = writeEntry(this.#bytes, this.#end, key, value)
    this.#sorted = null
    if (this.#keys * 2 > this.#slots.length) this.#growSlots()
  }

  /** The entry of a key, until the next call; null where it has none here. */
  get(key: Key): Entry | null {
    if (this.#keys === 0) return null
    return this.#slots[this.#slotOf(key)] === 0 ? null : this.#entry
  }

  clear(): void {
    this.#end = 0
    this.#keys = 0
    this.#slots.fill(0)
    this.#sorted = null
  }

  /** All entries whose hashes are not below `from`, in order. */
  cursor(from: number): Cursor {
    const sorted = this.#inOrder()
    const words = new Uint32Array(sorted.buffer)
    const entry = new Entry(this.#bytes)
    let index = 0
    return {
      entry,
      next: () => {
        while (index < sorted.length) {
          entry.read(words[2 * index] ?? 0, this.#end)
          index += 1
          if (entry.hash >= from) return true
        }
        return false
      },
    }
  }

  /** Where entries lie, each below its hash in one 64-bit number. */
  #inOrder(): BigUint64Array {
    if (this.#sorted !== null) return this.#sorted
    const sorted = new BigUint64Array(this.#keys)
    const words = new Uint32Array(sorted.buffer)
    let index = 0
    for (const place of this.#slots) {
      if (place === 0) continue
      words[index++] = place - 1
      words[index++] = this.#bytes.readInt32LE(place - 1)
    }
    this.#sorted = sorted.sort()
    return sorted
  }

  #slotOf(key: Key): number {
    const mask = this.#slots.length - 1
    let slot = key.spread & mask
    for (let place = this.#slots[slot] ?? 0; place !== 0; place = this.#slots[slot] ?? 0) {
      this.#entry.read(place - 1, this.#end)
      if (this.#entry.isKey(key)) break
      slot = (slot + 1) & mask
    }
    return slot
  }

  #growSlots(): void {
    const before = this.#slots
    const mask = before.length * 2 - 1
    this.#slots = new Int32Array(before.length * 2)
    for (const place of before) {
      if (place === 0) continue
      this.#entry.read(place - 1, this.#end)
      let slot = this.#entry.spread() & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = place
    }
  }

  #makeRoom(more: number): void {
    if (this.#end + more <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + more))
    this.#bytes.copy(larger, 0, 0, this.#end)
    this.#bytes = larger
    this.#entry.bytes = larger
  }
}
