import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { LockFiles } from '../node/folder-lock.ts'
import { LogError } from './errors.ts'

/** The files of an embedded log. Nothing else in a process that has the log open may open `log`, `shm` or `lock`: closing
 * any handle of a file drops all of the process's locks on it (POSIX), and with them SQLite's. */
export type LogFiles = LockFiles & Readonly<{ log: string; wal: string; shm: string }>

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
