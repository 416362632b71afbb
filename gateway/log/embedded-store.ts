import { statSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { type FolderLock, takeLock, writeHolder } from '../node/folder-lock.ts'
import type { Failpoints } from '../runtime.ts'
import type { Positions } from './embedded-bookkeeping.ts'
import { createPositions, readState, writeState } from './embedded-bookkeeping.ts'
import type { LogFiles } from './embedded-folder.ts'
import { prepareFolder } from './embedded-folder.ts'
import type { Parts } from './embedded-parts.ts'
import { createParts } from './embedded-parts.ts'
import type { RecordSum } from './embedded-records.ts'
import { createRecordSum, OFFSETS } from './embedded-records.ts'
import { prunePart } from './embedded-retention.ts'
import {
  asCorrupt,
  asUnopened,
  limitPages,
  openForWriting,
  PAGE_BYTES,
  SQLITE,
  sqliteCode,
  WAL_BYTES_SOFT,
} from './embedded-schema.ts'
import type { TopicRow } from './embedded-topics.ts'
import { ensureTopics, readTopics } from './embedded-topics.ts'
import type { Request, Result } from './embedded-wire.ts'
import { unpack } from './embedded-wire.ts'
import { LogError } from './errors.ts'

/** What the store does in a group, in this order; the rest of the requests never reaches it. */
export type Work = Extract<Request, { kind: 'ensure' | 'writer' | 'release' | 'transact' | 'prune' }>

/** The one writer of the file: synchronous, since it has a thread of its own. */
export interface Store {
  /**
   * Does a group of work in one transaction of SQLite, and so with one wait for the disk. Work that cannot be done
   * harms no other: then each is tried alone.
   */
  run(group: readonly Work[]): readonly Result[]
  /** Copies the write-ahead log into the file once it has grown; to be called when answers are out. */
  maintain(): void
  /** The offset that the next record of a partition gets. */
  next(part: number): number
  /** Why the log takes nothing any more, or null while it does. */
  stopped(): string | null
  /** Leaves word that the file needs no check at the next opening, and lets go of the lock. */
  close(): void
}

export type StoreOptions = Readonly<{
  folder: string
  /** Of the file; the write-ahead log takes up to 64 MB more, and retention a little (see `PRUNE_BYTES`). */
  diskBytesMax: number
  /** Of the write-ahead log; beyond it the log takes nothing until a reader that holds it is gone. */
  walBytesMax?: number
  failpoints: Failpoints
  /** Epoch ms at which this process began to hold the log. */
  sinceMs: number
}>

/** Throws LOG_FOLDER_UNSAFE, LOG_HELD, LOG_CORRUPT, LOG_FORMAT_UNKNOWN or LOG_UNAVAILABLE. */
export function openStore(options: StoreOptions): Store {
  try {
    const files = prepareFolder(options.folder)
    const lock = takeLock(files, `the log ${files.log}`)
    try {
      return storeOf(hold(files, lock, options))
    } catch (error) {
      lock.release()
      throw asCorrupt(error, files)
    }
  } catch (error) {
    throw asUnopened(error, options.folder)
  }
}

/** What retention may use beyond the limit of the disk, so that a full log can be pruned. */
const PRUNE_BYTES = 16_000_000

/** Reached only where somebody keeps a read transaction open for very long; ours are short. */
const WAL_BYTES_MAX = 512_000_000

/** How much is written before the write-ahead log is copied into the file. */
const CHECKPOINT_BYTES = 8_000_000

type Held = {
  readonly db: DatabaseSync
  readonly files: LogFiles
  readonly lock: FolderLock
  readonly failpoints: Failpoints
  readonly diskBytesMax: number
  readonly walBytesMax: number
  /** Bumped by every opening for writing; the file must still say it in every transaction. */
  readonly epoch: number
  readonly statements: Statements
  readonly parts: Parts
  readonly positions: Positions
  readonly recordSum: RecordSum
  topics: ReadonlyMap<string, TopicRow>
  /** By partition: the next offset. */
  readonly nexts: Map<number, number>
  /** The writer that is valid for each identity, and the identity of each writer. */
  readonly current: Map<string, number>
  readonly identities: Map<number, string>
  writers: number
  /** About how much the write-ahead log has grown since it was last copied into the file. */
  walBytes: number
  stopped: string | null
}

type Statements = ReturnType<typeof prepareStatements>

/** What a transaction of SQLite will have changed in memory once it is committed. */
type Staged = { isOpen: boolean; topics: ReadonlyMap<string, TopicRow>; readonly nexts: Map<number, number> }

function hold(files: LogFiles, lock: FolderLock, options: StoreOptions): Held {
  const db = openForWriting(files, options.diskBytesMax)
  try {
    const epoch = beginEpoch(db)
    writeHolder(files, options.sinceMs, { epoch })
    const parts = createParts(db)
    const numbers = db.prepare('SELECT part FROM parts').all()
    return {
      db,
      files,
      lock,
      failpoints: options.failpoints,
      diskBytesMax: options.diskBytesMax,
      walBytesMax: options.walBytesMax ?? WAL_BYTES_MAX,
      epoch,
      statements: prepareStatements(db),
      parts,
      positions: createPositions(db),
      recordSum: createRecordSum(),
      topics: readTopics(db),
      nexts: new Map(numbers.map(({ part }) => [Number(part), parts.read(Number(part)).next])),
      current: new Map(),
      identities: new Map(),
      writers: 0,
      walBytes: 0,
      stopped: null,
    }
  } catch (error) {
    db.close()
    throw error
  }
}

function beginEpoch(db: DatabaseSync): number {
  const epoch = readState(db, 'epoch') + 1
  db.exec('BEGIN IMMEDIATE')
  writeState(db, 'epoch', epoch)
  writeState(db, 'clean', 0)
  db.exec('COMMIT')
  return epoch
}

function prepareStatements(db: DatabaseSync) {
  return {
    epoch: db.prepare("SELECT value FROM state WHERE name = 'epoch'"),
    append: db.prepare(
      'INSERT INTO records (record, time, key, headers, sum, value) VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?)',
    ),
    checkpoint: db.prepare('PRAGMA wal_checkpoint(PASSIVE)'),
  }
}

function storeOf(held: Held): Store {
  return {
    run: (group) => runGroup(held, group),
    maintain: () => maintain(held),
    next: (part) => held.nexts.get(part) ?? 0,
    stopped: () => held.stopped,
    close() {
      try {
        if (held.stopped === null) {
          writeState(held.db, 'clean', 1)
        }
      } finally {
        held.db.close()
        held.lock.release()
      }
    },
  }
}

function runGroup(held: Held, group: readonly Work[]): readonly Result[] {
  const blocked = held.stopped ?? walBlocked(held)
  if (blocked !== null) return group.map((work) => refuse(held, work, blocked))
  let isCommitting = false
  try {
    const staged: Staged = { isOpen: false, topics: held.topics, nexts: new Map() }
    const results = group.map((work) => apply(held, staged, work))
    if (!staged.isOpen) return results
    for (const [part, next] of staged.nexts) held.parts.write(part, { ...held.parts.read(part), next })
    held.failpoints.hit('log.before-commit')
    isCommitting = true
    held.db.exec('COMMIT')
    held.failpoints.hit('log.after-commit')
    held.topics = staged.topics
    for (const [place, work] of group.entries()) held.walBytes += walGrowth(work, results[place])
    for (const [part, next] of staged.nexts) held.nexts.set(part, next)
    return results
  } catch (error) {
    return failed(held, group, error, isCommitting)
  }
}

/**
 * SQLITE_FULL and SQLITE_BUSY are known to have written nothing. After any other failure nobody can say what the disk
 * holds, so the log stops; what was being committed is then unknown.
 */
function failed(
  held: Held,
  group: readonly Work[],
  error: unknown,
  isCommitting: boolean,
): readonly Result[] {
  const code = sqliteCode(error)
  const isHarmless = code === SQLITE.FULL || code === SQLITE.BUSY || code === SQLITE.LOCKED
  if (!isHarmless) held.stopped = stoppedBy(asCorrupt(error, held.files))
  try {
    if (held.db.isTransaction) held.db.exec('ROLLBACK')
  } catch (rollbackError) {
    held.stopped ??= stoppedBy(rollbackError)
  }
  const stopped = held.stopped
  if (stopped !== null) {
    return group.map((work) =>
      isCommitting && work.kind === 'transact'
        ? { kind: 'unknown', reason: stopped }
        : refuse(held, work, stopped),
    )
  }
  if (group.length > 1) return group.flatMap((work) => runGroup(held, [work]))
  const full = 'The disk, or the space that `log.diskMax` allows the log, is full; nothing was written.'
  const reason =
    code === SQLITE.FULL ? full : 'Another program holds the file of the log; nothing was written.'
  return group.map((work) => refuse(held, work, reason))
}

function stoppedBy(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return `The log has stopped and takes nothing until the gateway is started again: ${message}`
}

function refuse(held: Held, work: Work, reason: string): Result {
  if (work.kind === 'transact') return { kind: 'refused', retryable: true, reason }
  const code = held.stopped === null ? 'LOG_UNAVAILABLE' : 'LOG_STOPPED'
  return { kind: 'failed', code, message: reason }
}

function apply(held: Held, staged: Staged, work: Work): Result {
  switch (work.kind) {
    case 'writer': {
      held.writers += 1
      const before = held.current.get(work.identity)
      if (before !== undefined) held.identities.delete(before)
      held.current.set(work.identity, held.writers)
      held.identities.set(held.writers, work.identity)
      return { kind: 'writer', writer: held.writers }
    }
    case 'release': {
      const identity = held.identities.get(work.writer)
      held.identities.delete(work.writer)
      if (identity !== undefined) held.current.delete(identity)
      return { kind: 'released' }
    }
    case 'ensure':
      return ensure(held, staged, work)
    case 'prune':
      return prune(held, staged, work)
    case 'transact':
      // Only the newest writer of an identity has a name here: the others are fenced.
      if (!held.identities.has(work.writer)) return { kind: 'fenced' }
      begin(held, staged)
      return append(held, staged, work)
  }
}

function ensure(held: Held, staged: Staged, work: Extract<Work, { kind: 'ensure' }>): Result {
  begin(held, staged)
  try {
    const ensured = ensureTopics(held.db, staged.topics, work.specs, work.partitions, held.parts, (part) =>
      next(held, staged, part),
    )
    staged.topics = ensured.topics
    for (const part of ensured.made) staged.nexts.set(part, 0)
    return { kind: 'topics', topics: ensured.states }
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    return { kind: 'failed', code: error.code, message: error.message }
  }
}

function append(held: Held, staged: Staged, work: Extract<Work, { kind: 'transact' }>): Result {
  const firsts = new Map<number, number>()
  const { statements, recordSum } = held
  unpack(work.packed, (part, key, headers, value) => {
    const offset = next(held, staged, part)
    if (offset >= OFFSETS)
      throw new LogError('LOG_MISUSED', `Partition ${part} of the log has no offsets left.`)
    if (!firsts.has(part)) firsts.set(part, offset)
    const record = part * OFFSETS + offset
    const sum = recordSum(record, work.time, key, headers, value)
    statements.append.run(record, work.time, key, headers, sum, value)
    staged.nexts.set(part, offset + 1)
  })
  for (const { group, part, position } of work.positions) held.positions.write(group, part, position)
  return { kind: 'committed', firsts }
}

function prune(held: Held, staged: Staged, work: Extract<Work, { kind: 'prune' }>): Result {
  const topic = [...held.topics.values()].find(
    ({ firstPart, partitions }) => work.part >= firstPart && work.part < firstPart + partitions,
  )
  if (topic === undefined) return { kind: 'pruned', removed: 0, isDone: true }
  begin(held, staged)
  limitPages(held.db, held.diskBytesMax + PRUNE_BYTES)
  try {
    return { kind: 'pruned', ...prunePart(held, work.part, topic.cleanup, work.before) }
  } finally {
    limitPages(held.db, held.diskBytesMax)
  }
}

function next(held: Held, staged: Staged, part: number): number {
  const offset = staged.nexts.get(part) ?? held.nexts.get(part)
  if (offset === undefined) throw new LogError('LOG_MISUSED', `The log has no partition with number ${part}.`)
  return offset
}

function begin(held: Held, staged: Staged): void {
  if (staged.isOpen) return
  held.db.exec('BEGIN IMMEDIATE')
  staged.isOpen = true
  const epoch = held.statements.epoch.get()?.value
  if (epoch === held.epoch) return
  throw new LogError(
    'LOG_HELD',
    `Another process took over ${held.files.log} (epoch ${epoch}, ours ${held.epoch}).`,
  )
}

/**
 * A passive checkpoint copies what no reader needs any more, and the next commit starts the write-ahead log over. Only
 * where readers have kept it from that for long is it emptied while they wait (they read in short transactions).
 */
function maintain(held: Held): void {
  if (held.stopped !== null || held.walBytes < CHECKPOINT_BYTES) return
  held.walBytes = 0
  try {
    const frames = Number(held.statements.checkpoint.get()?.log ?? 0)
    if (frames * PAGE_BYTES > WAL_BYTES_SOFT) held.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } catch (error) {
    const code = sqliteCode(error)
    if (code === SQLITE.FULL || code === SQLITE.BUSY || code === SQLITE.LOCKED) return
    held.stopped = stoppedBy(asCorrupt(error, held.files))
  }
}

/** About how much one piece of work adds to the write-ahead log, which holds whole pages. */
function walGrowth(work: Work, result: Result | undefined): number {
  const pages = 2 * PAGE_BYTES
  if (result?.kind === 'pruned') return pages + result.removed * PAGE_BYTES
  if (work.kind !== 'transact' || result?.kind !== 'committed') return pages
  return pages + work.packed.byteLength + result.firsts.size * PAGE_BYTES
}

function walFileBytes(held: Held): number {
  return statSync(held.files.wal, { throwIfNoEntry: false })?.size ?? 0
}

function walBlocked(held: Held): string | null {
  if (walFileBytes(held) <= held.walBytesMax) return null
  held.walBytes = CHECKPOINT_BYTES
  maintain(held)
  if (walFileBytes(held) <= held.walBytesMax) return null
  return `A program keeps a read transaction on ${held.files.log} open; end it. Nothing was written.`
}
