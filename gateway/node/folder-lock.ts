import { chmodSync, closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { LogError } from '../log/errors.ts'

export interface FolderLock {
  release(): void
}

/** The lock itself, and word of who has it. Nothing else in a process that has the lock may open the first. */
export type LockFiles = Readonly<{ lock: string; holder: string }>

/**
 * Takes a folder for this process. The lock is one that the operating system keeps (SQLite's, on a file of its own), so
 * it ends with the process however that ends: no stale lock file, no reused process id. `what` is held by it, in words.
 * Throws LOG_HELD.
 */
export function takeLock(files: LockFiles, what: string): FolderLock {
  // A reader of the log holds it for a moment while it opens that.
  const lock = lockFile(files, 500)
  if (lock !== null) return lock
  throw new LogError(
    'LOG_HELD',
    `${holderOf(files, what)} Stop it first, or give this gateway a folder of its own.`,
  )
}

/** The right to write, or null where somebody has it. */
export function takeLockIfFree(files: LockFiles): FolderLock | null {
  return lockFile(files, 0)
}

function lockFile(files: LockFiles, waitMs: number): FolderLock | null {
  makePrivateFile(files.lock)
  const lock = new DatabaseSync(files.lock, { timeout: waitMs })
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return { release: () => lock.close() }
  } catch (error) {
    lock.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) return null
    const reason = error instanceof Error ? error.message : String(error)
    throw new LogError('LOG_UNAVAILABLE', `${files.lock} cannot be locked: ${reason}. Remove it.`, error)
  }
}

const SQLITE_BUSY = 5

/** Leaves word of who holds the lock. */
export function writeHolder({ holder }: LockFiles, sinceMs: number, more: object = {}): void {
  const words = { pid: process.pid, host: hostname(), since: new Date(sinceMs).toISOString(), ...more }
  const draft = `${holder}.new`
  writeFileSync(draft, `${JSON.stringify(words)}\n`, { mode: 0o600 })
  chmodSync(draft, 0o600)
  renameSync(draft, holder)
}

/** Makes an empty file (0600 under any umask) where there is none, so that SQLite does not choose the mode. */
export function makePrivateFile(path: string): void {
  if (existsSync(path)) return
  closeSync(openSync(path, 'wx', 0o600))
  chmodSync(path, 0o600)
}

function holderOf({ holder }: LockFiles, what: string): string {
  const unnamed = `Another process holds ${what}.`
  try {
    const found: unknown = JSON.parse(readFileSync(holder, 'utf8'))
    if (typeof found !== 'object' || found === null || !('pid' in found) || !('since' in found))
      return unnamed
    return `Process ${found.pid} has held ${what} since ${found.since}.`
  } catch {
    return unnamed
  }
}
