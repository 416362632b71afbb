import { hash } from 'node:crypto'
import { ProjectionError } from '../ports.ts'
import type { Entry, Key } from './projection-entry.ts'
import { Gathered } from './projection-gathered.ts'
import { mergeEntries } from './projection-merge.ts'
import { Run, type RunDescription, RunWriter, runCursor } from './projection-run.ts'
import type { Store } from './projection-store.ts'

const MANIFEST = 'manifest.json'

/** Of the manifest and all that it names: another version opens as empty. */
const VERSION = 3

/** As many runs of about one size become one, four times as large. */
const MERGED_RUNS = 4

/** What a manifest says: which runs there are, and what the owner of the table wants to know again. */
type Manifest = Readonly<{ version: number; state: unknown; runs: readonly RunDescription[] }>

/**
 * A sorted map on disk, written in bulk: what is put is gathered in memory, then written as a run; runs of a size are
 * merged. A manifest names the runs with their digests and is put in place of the former at once, so the files hold
 * everything up to some `save`, or they do not fit their digests and hold nothing.
 */
export class Table {
  readonly #store: Store
  readonly #gathered = new Gathered()
  /** From the oldest to the newest. */
  #runs: Run[]
  #names = 0

  private constructor(store: Store, runs: Run[]) {
    this.#store = store
    this.#runs = runs
    this.#names = runs.reduce((highest, run) => Math.max(highest, Number(run.description.name)), 0)
  }

  /** Opens what was saved, with the state that was saved with it; null and empty where nothing was, or it was altered. */
  static open(store: Store): { table: Table; state: unknown } {
    const manifest = readManifest(store)
    const runs: Run[] = []
    for (const description of manifest?.runs ?? []) {
      const run = Run.open(store, description)
      if (run === null) break
      runs.push(run)
    }
    if (manifest !== null && runs.length === manifest.runs.length) {
      return { table: new Table(store, runs), state: manifest.state }
    }
    for (const run of runs) run.close()
    store.keepOnly(new Set())
    return { table: new Table(store, []), state: null }
  }

  /** Bytes that a crash would lose. */
  get gatheredBytes(): number {
    return this.#gathered.bytes
  }

  put(key: Key, value: Uint8Array | null): void {
    this.#gathered.put(key, value)
  }

  /** The entry of a key, until the next call; null where it has none. */
  get(key: Key): Entry | null {
    let entry = this.#gathered.get(key)
    for (let index = this.#runs.length - 1; entry === null && index >= 0; index -= 1) {
      entry = this.#runs[index]?.get(key) ?? null
    }
    return entry === null || entry.isGone ? null : entry
  }

  /** Goes through all entries whose hashes are not below `from`, in their order, until `take` answers false. */
  scan(from: number, take: (entry: Entry) => boolean): void {
    const runs = this.#runs.map((run) => runCursor(run, from)).reverse()
    mergeEntries([this.#gathered.cursor(from), ...runs], (entry) => entry.isGone || take(entry))
  }

  /** Writes what is gathered, and this state with it. `isStale`: entries that mean nothing any more. */
  save(state: unknown, isStale: (entry: Entry) => boolean): void {
    const added: Run[] = []
    try {
      const runs = this.#withGathered(added, isStale)
      writeManifest(this.#store, state, runs)
      for (const run of [...this.#runs, ...added]) if (!runs.includes(run)) run.close()
      this.#runs = runs
      this.#gathered.clear()
    } catch (error) {
      for (const run of added) run.close()
      throw error
    } finally {
      this.#store.keepOnly(new Set([MANIFEST, ...this.#runs.map((run) => run.description.name)]))
    }
  }

  /** Forgets everything, on disk as well. */
  reset(): void {
    this.close()
    this.#store.keepOnly(new Set())
    this.#runs = []
    this.#gathered.clear()
  }

  close(): void {
    for (const run of this.#runs) run.close()
  }

  /** The runs as they are to be: with one of what is gathered, and merged where there are enough of a size. */
  #withGathered(added: Run[], isStale: (entry: Entry) => boolean): Run[] {
    let runs = this.#runs
    if (this.#gathered.keys === 0) return runs
    const first = runs.length === 0
    const fresh = this.#write(this.#gathered.keys, (writer) => {
      mergeEntries([this.#gathered.cursor(0)], (entry) => {
        if (!isStale(entry) && !(first && entry.isGone)) writer.add(entry)
        return true
      })
    })
    added.push(fresh)
    runs = [...runs, fresh]
    for (let start = mergeStart(runs); start !== null; start = mergeStart(runs)) {
      const merged = this.#merge(runs.slice(start), start === 0, isStale)
      added.push(merged)
      runs = [...runs.slice(0, start), merged]
    }
    return runs
  }

  #merge(runs: readonly Run[], isWhole: boolean, isStale: (entry: Entry) => boolean): Run {
    const entries = runs.reduce((sum, run) => sum + run.description.entries, 0)
    return this.#write(entries, (writer) => {
      mergeEntries(runs.map((run) => runCursor(run, 0)).reverse(), (entry) => {
        if (!isStale(entry) && !(isWhole && entry.isGone)) writer.add(entry)
        return true
      })
    })
  }

  #write(entriesMax: number, fill: (writer: RunWriter) => void): Run {
    this.#names += 1
    const writer = new RunWriter(this.#store, String(this.#names), entriesMax)
    try {
      fill(writer)
    } catch (error) {
      writer.abandon()
      throw error
    }
    const run = Run.open(this.#store, writer.finish(), true)
    if (run === null) throw new ProjectionError('A file of the projection is gone as soon as it was written.')
    return run
  }
}

/** From where on runs are to be merged: the longest tail of runs no larger than the newest, if it is long enough. */
function mergeStart(runs: readonly Run[]): number | null {
  const newest = runs.at(-1)
  if (newest === undefined) return null
  let start = runs.length - 1
  while (start > 0 && sizeClass(runs[start - 1]) <= sizeClass(newest)) start -= 1
  return runs.length - start >= MERGED_RUNS ? start : null
}

function sizeClass(run: Run | undefined): number {
  return Math.ceil(Math.log(run?.description.bytes ?? 0) / Math.log(MERGED_RUNS))
}

function readManifest(store: Store): Manifest | null {
  const text = store.read(MANIFEST)?.toString() ?? ''
  const line = text.indexOf('\n')
  if (line < 0 || text.slice(0, line) !== hash('sha1', text.slice(line + 1))) return null
  const manifest = JSON.parse(text.slice(line + 1)) as Manifest
  return manifest.version === VERSION ? manifest : null
}

function writeManifest(store: Store, state: unknown, runs: readonly Run[]): void {
  const manifest: Manifest = {
    version: VERSION,
    state,
    runs: runs.map(({ description }) => description),
  }
  const text = JSON.stringify(manifest)
  store.replace(MANIFEST, Buffer.from(`${hash('sha1', text)}\n${text}`))
}
