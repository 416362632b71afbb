import { createHash, type Hash } from 'node:crypto'
import { ProjectionError } from '../ports.ts'
import { Entry, HASH_BITS, type Key } from './projection-entry.ts'
import type { Parts, Sink, Store } from './projection-store.ts'

/**
 * A run: a file that is written once, with entries in the order of their hashes, at most one for each key. Behind them
 * stand the directory (where the entries of each range of hashes begin) and a filter (which keys are surely not there);
 * both are in memory while it is open, about two bytes for each entry.
 */
export type RunDescription = Readonly<{
  name: string
  entries: number
  /** Of the entries; the directory follows. */
  bytes: number
  directoryBits: number
  filterWords: number
  /** Over the whole file. */
  digest: string
}>

/** What is read of a run for one look-up holds about so many entries. */
const ENTRIES_PER_RANGE = 16

/** Of the filter, for each entry: one key in forty that is not there is looked for all the same. */
const FILTER_BITS = 10

const CHUNK_BYTES = 262_144

/** What an index over entries is for: which keys are surely not there, and where the others lie. */
type Index = Readonly<{ directory: Float64Array<ArrayBuffer>; filter: Uint32Array<ArrayBuffer> }>

function newIndex(directoryBits: number, filterWords: number): Index {
  return {
    directory: new Float64Array(2 ** directoryBits + 1),
    filter: new Uint32Array(filterWords),
  }
}

function wordOf(filter: Uint32Array, spread: number): number {
  return (spread >>> 0) % filter.length
}

function bitsOf(spread: number): number {
  const bits = Math.imul(spread, 0x9e3779b1)
  return (1 << (bits >>> 27)) | (1 << ((bits >>> 22) & 31)) | (1 << ((bits >>> 17) & 31))
}

/** Writes a run, entry by entry in order. */
export class RunWriter {
  readonly #name: string
  readonly #sink: Sink
  readonly #index: Index
  readonly #shift: number
  readonly #digest: Hash = createHash('sha1')
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  #filled = 0
  #bytes = 0
  #entries = 0
  #ranges = 0

  constructor(store: Store, name: string, entriesMax: number) {
    const bits = Math.min(HASH_BITS, Math.max(0, Math.ceil(Math.log2(entriesMax / ENTRIES_PER_RANGE))))
    this.#name = name
    this.#shift = HASH_BITS - bits
    this.#index = newIndex(bits, Math.ceil((entriesMax * FILTER_BITS) / 32) + 1)
    this.#sink = store.create(name)
  }

  add(entry: Entry): void {
    const { directory, filter } = this.#index
    for (const range = entry.hash >>> this.#shift; this.#ranges <= range; this.#ranges += 1) {
      directory[this.#ranges] = this.#bytes
    }
    const spread = entry.spread()
    const word = wordOf(filter, spread)
    filter[word] = (filter[word] ?? 0) | bitsOf(spread)
    const size = entry.end - entry.start
    if (this.#filled + size > CHUNK_BYTES) this.#flush()
    if (size > CHUNK_BYTES) this.#write(entry.bytes.subarray(entry.start, entry.end))
    else {
      entry.bytes.copy(this.#chunk, this.#filled, entry.start, entry.end)
      this.#filled += size
    }
    this.#bytes += size
    this.#entries += 1
  }

  /** Ends the file. */
  finish(): RunDescription {
    const { directory, filter } = this.#index
    this.#flush()
    directory.fill(this.#bytes, this.#ranges)
    this.#write(new Uint8Array(directory.buffer))
    this.#write(new Uint8Array(filter.buffer))
    this.#sink.close()
    return {
      name: this.#name,
      entries: this.#entries,
      bytes: this.#bytes,
      directoryBits: HASH_BITS - this.#shift,
      filterWords: filter.length,
      digest: this.#digest.digest('hex'),
    }
  }

  /** Lets go of a file that will not be finished. */
  abandon(): void {
    this.#sink.close()
  }

  #flush(): void {
    if (this.#filled > 0) this.#write(this.#chunk.subarray(0, this.#filled))
    this.#filled = 0
  }

  #write(bytes: Uint8Array): void {
    this.#digest.update(bytes)
    this.#sink.write(bytes)
  }
}

/** A run that can be asked. */
export class Run {
  readonly description: RunDescription
  readonly #parts: Parts
  readonly #index: Index
  readonly #shift: number
  readonly #entry = new Entry(Buffer.alloc(0))
  #range = Buffer.alloc(0)
  #rangeStart = -1
  #rangeEnd = -1

  private constructor(description: RunDescription, parts: Parts, index: Index) {
    this.description = description
    this.#parts = parts
    this.#index = index
    this.#shift = HASH_BITS - description.directoryBits
  }

  /**
   * Opens a run and reads it whole to compare it with its digest; null where it is not what was written. `isTrusted`:
   * it was written by this process just now.
   */
  static open(store: Store, description: RunDescription, isTrusted = false): Run | null {
    const parts = store.open(description.name)
    if (parts === null) return null
    const index = newIndex(description.directoryBits, description.filterWords)
    const tail = [new Uint8Array(index.directory.buffer), new Uint8Array(index.filter.buffer)]
    const size = tail.reduce((sum, { length }) => sum + length, description.bytes)
    if (parts.size === size && isWhole(parts, description, tail, isTrusted)) {
      return new Run(description, parts, index)
    }
    parts.close()
    return null
  }

  /** The entry of a key, until the next call; null where it has none. */
  get(key: Key): Entry | null {
    const { directory, filter } = this.#index
    const bits = bitsOf(key.spread)
    if (((filter[wordOf(filter, key.spread)] ?? 0) & bits) !== bits) return null
    const range = key.hash >>> this.#shift
    const [start, end] = [directory[range] ?? 0, directory[range + 1] ?? 0]
    if (start !== this.#rangeStart || end !== this.#rangeEnd) this.#readRange(start, end)
    const entry = this.#entry
    const length = end - start
    for (let at = 0; at < length; at = entry.end) {
      if (!entry.read(at, length)) throw new ProjectionError('A file of the projection holds half an entry.')
      if (entry.hash > key.hash) return null
      if (entry.isKey(key)) return entry
    }
    return null
  }

  /** Where the entries begin whose hashes are not below this one, or some before them. */
  startOf(hash: number): number {
    return this.#index.directory[hash >>> this.#shift] ?? 0
  }

  read(into: Uint8Array, position: number): void {
    this.#parts.read(into, position)
  }

  close(): void {
    this.#parts.close()
  }

  #readRange(start: number, end: number): void {
    const length = end - start
    this.#rangeStart = -1
    if (this.#range.length < length) this.#range = Buffer.allocUnsafe(length * 2)
    this.#parts.read(this.#range.subarray(0, length), start)
    this.#entry.bytes = this.#range
    this.#rangeStart = start
    this.#rangeEnd = end
  }
}

/** Reads all, or only the last parts where the file is trusted, and says whether it is what was written. */
function isWhole(
  parts: Parts,
  { bytes, digest }: RunDescription,
  tail: readonly Uint8Array[],
  isTrusted: boolean,
): boolean {
  const found = createHash('sha1')
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  for (let at = 0; at < bytes && !isTrusted; at += CHUNK_BYTES) {
    const piece = chunk.subarray(0, Math.min(CHUNK_BYTES, bytes - at))
    parts.read(piece, at)
    found.update(piece)
  }
  let at = bytes
  for (const part of tail) {
    parts.read(part, at)
    if (!isTrusted) found.update(part)
    at += part.length
  }
  return isTrusted || found.digest('hex') === digest
}

/** Goes through entries in their order. */
export interface Cursor {
  readonly entry: Entry
  /** False when there is no entry any more; before the first call there is none yet. */
  next(): boolean
}

/** All entries of a run whose hashes are not below `from`. */
export function runCursor(run: Run, from: number): Cursor {
  const { bytes } = run.description
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  let at = 0
  let filled = 0
  let position = run.startOf(from)
  const entry = new Entry(chunk)
  const refill = () => {
    const rest = filled - at
    const larger = rest === chunk.length ? Buffer.allocUnsafe(chunk.length * 2) : chunk
    chunk.copy(larger, 0, at, filled)
    chunk = larger
    entry.bytes = chunk
    const more = Math.min(chunk.length - rest, bytes - position)
    run.read(chunk.subarray(rest, rest + more), position)
    position += more
    filled = rest + more
    at = 0
    return more > 0
  }
  const advance = () => {
    while (!entry.read(at, filled)) {
      if (refill()) continue
      if (filled > 0) throw new ProjectionError('A file of the projection holds half an entry.')
      return false
    }
    at = entry.end
    return true
  }
  return {
    entry,
    next() {
      while (advance()) if (entry.hash >= from) return true
      return false
    },
  }
}
