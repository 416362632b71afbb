import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { LogError } from './errors.ts'

/** The files of an embedded log. Nothing else in a process that has the log open may open `log`, `shm` or `lock`: closing
 * any handle of a file drops all of the process's locks on it (POSIX), and with them SQLite's. */
export type LogFiles = Readonly<{ log: string; lock: string; holder: string; wal: string; shm: string }>

function filesOf(folder: string): LogFiles {
  const log = join(folder, 'log.sqlite')
  const [lock, holder] = [join(folder, 'lock'), join(folder, 'holder.json')]
  return { log, lock, holder, wal: `${log}-wal`, shm: `${log}-shm` }
}

/**
 * Makes the folder (0700) where it is missing. Throws LOG_FOLDER_UNSAFE where it, or a file of the log in it, belongs
 * to somebody else or can be read by others.
 */
export function prepareFolder(folder: string): LogFiles {
  if (!existsSync(folder)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
  }
  return checkFolder(folder)
}

/** The files of a folder that is there. Throws LOG_FOLDER_MISSING or LOG_FOLDER_UNSAFE. */
export function checkFolder(folder: string): LogFiles {
  if (!existsSync(folder)) {
    throw new LogError('LOG_FOLDER_MISSING', `There is no log in ${folder}: the folder does not exist.`)
  }
  if (!statSync(folder).isDirectory()) {
    throw new LogError('LOG_FOLDER_UNSAFE', `${folder} is no folder; name another one for the log.`)
  }
  assertPrivate(folder, '700')
  const files = filesOf(folder)
  for (const file of Object.values(files)) {
    if (existsSync(file)) assertPrivate(file, '600')
  }
  return files
}

/** Makes an empty file (0600 under any umask) where there is none, so that SQLite does not choose the mode. */
export function makePrivateFile(path: string): void {
  if (existsSync(path)) return
  closeSync(openSync(path, 'wx', 0o600))
  chmodSync(path, 0o600)
}

export interface FolderLock {
  release(): void
}

/**
 * Takes the right to write. The lock is one that the operating system keeps for the process (SQLite's, on a file of
 * its own), so it ends with the process however that ends: no stale lock file, no reused process id. Throws LOG_HELD.
 */
export function takeLock(files: LogFiles): FolderLock {
  // A reader holds it for a moment while it opens the log.
  const lock = lockFile(files, 500)
  if (lock !== null) return lock
  throw new LogError(
    'LOG_HELD',
    `${holderOf(files)} Stop it first, or give this gateway a folder of its own.`,
  )
}

/** The right to write, or null where somebody has it. */
export function takeLockIfFree(files: LogFiles): FolderLock | null {
  return lockFile(files, 0)
}

function lockFile(files: LogFiles, waitMs: number): FolderLock | null {
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

/** Leaves word of who holds the lock, and that there is a log in this folder. */
export function writeHolder(files: LogFiles, epoch: number, sinceMs: number): void {
  const holder = { pid: process.pid, host: hostname(), since: new Date(sinceMs).toISOString(), epoch }
  const draft = `${files.holder}.new`
  writeFileSync(draft, `${JSON.stringify(holder)}\n`, { mode: 0o600 })
  chmodSync(draft, 0o600)
  renameSync(draft, files.holder)
}

function holderOf(files: LogFiles): string {
  const unnamed = `Another process writes the log ${files.log}.`
  try {
    const holder: unknown = JSON.parse(readFileSync(files.holder, 'utf8'))
    if (typeof holder !== 'object' || holder === null || !('pid' in holder) || !('since' in holder))
      return unnamed
    return `Process ${holder.pid} has been writing the log ${files.log} since ${holder.since}.`
  } catch {
    return unnamed
  }
}

function assertPrivate(path: string, mode: '700' | '600'): void {
  const { uid, mode: bits } = statSync(path)
  // Windows has neither owners nor modes in this sense.
  if (process.getuid === undefined) return
  if (uid !== process.getuid()) {
    throw new LogError(
      'LOG_FOLDER_UNSAFE',
      `${path} belongs to user ${uid}, not to the user of this process.`,
    )
  }
  if ((bits & 0o077) !== 0) {
    throw new LogError('LOG_FOLDER_UNSAFE', `Others can get at ${path}; run: chmod ${mode} ${path}`)
  }
}
