import { accessSync, constants, existsSync, lstatSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type FolderLock, takeLock, writeHolder } from './folder-lock.ts'

/**
 * Why the gateway's data cannot be kept in this folder, which need not be there yet, as far as that shows without
 * making it; null where nothing is wrong.
 */
export function dataFolderProblem(folder: string): string | null {
  const parent = missingFolders(folder).parent
  if (parent === folder) return ownFolderProblem(folder)
  if (!statSync(parent).isDirectory()) {
    return `${parent} is a file, so there can be no folder below it; name another folder as data`
  }
  return canWrite(parent) ? null : `this user may not make a folder in ${parent}`
}

/** Makes the folder (0700) and what is missing above it. Why that cannot be, or null. */
export function makeDataFolder(folder: string): string | null {
  const problem = dataFolderProblem(folder)
  if (problem !== null) return problem
  // One by one: Node's recursive way never returns from some folders of the system (/proc).
  for (const missing of missingFolders(folder).missing) {
    try {
      mkdirSync(missing, { mode: 0o700 })
    } catch (error) {
      // Another process may have made it meanwhile.
      if (!existsSync(missing)) return makingProblem(missing, error)
    }
  }
  return dataFolderProblem(folder)
}

/**
 * Takes a data folder that is there for this process, whatever the log: projections are files, and two gateways would
 * each apply what it alone knows. Throws LOG_HELD.
 */
export function lockDataFolder(folder: string, sinceMs: number): FolderLock {
  const files = { lock: join(folder, 'lock'), holder: join(folder, 'holder.json') }
  const lock = takeLock(files, `the data folder ${folder}`)
  writeHolder(files, sinceMs)
  return lock
}

/** The folders on the way that are not there, the outermost first, and the one above them that is. */
function missingFolders(folder: string): Readonly<{ parent: string; missing: readonly string[] }> {
  const missing: string[] = []
  let parent = folder
  while (!existsSync(parent) && dirname(parent) !== parent) {
    missing.unshift(parent)
    parent = dirname(parent)
  }
  return { parent, missing }
}

function makingProblem(folder: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  if (code === 'EEXIST' && lstatSync(folder).isSymbolicLink()) {
    return `${folder} is a link that leads nowhere; mend it, or name another folder as data`
  }
  return `no folder can be made in ${dirname(folder)}: the system says ${code}; name another folder as data`
}

function ownFolderProblem(folder: string): string | null {
  const found = statSync(folder)
  const { mode, uid } = found
  if (!found.isDirectory()) return `${folder} is a file; name another folder as data`
  const self = process.getuid?.()
  if (self !== undefined && uid !== self) {
    return `${folder} belongs to another user (id ${uid}); run: chown ${self} '${folder}'`
  }
  if (self !== undefined && (mode & 0o077) !== 0) {
    return `${folder} is open to others; run: chmod 700 '${folder}'`
  }
  return canWrite(folder) ? null : `this user may not write to ${folder}; run: chmod 700 '${folder}'`
}

function canWrite(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}
