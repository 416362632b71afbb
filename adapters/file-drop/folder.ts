import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import {
  access,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AdapterError } from '../errors.ts'
import type { Connection } from './settings.ts'
import type { FileEntry, Transport } from './transport.ts'

const CHUNK_BYTES = 65_536

/** A folder of this machine. The path may be a link, what is in it may not. */
export async function openFolder(settings: Connection): Promise<Transport> {
  const root = await attempt(settings.path, () => realpath(settings.path))
  return {
    list: (wanted, signal) => list(root, wanted, signal),
    read: (name, signal) => readChunks(join(root, name), name, signal),
    move: (file, to) => attempt(file.name, () => move(root, file, to)),
    write: (path, text) =>
      attempt(path, async () => {
        await mkdir(dirname(join(root, path)), { recursive: true, mode: 0o700 })
        await writeFile(join(root, path), text, { mode: 0o600 })
      }),
    async obstacle() {
      try {
        await access(root, constants.W_OK | constants.X_OK)
        return null
      } catch {
        return `files cannot be moved out of ${settings.path}; give this account the right to write there`
      }
    },
    close: async () => undefined,
  }
}

async function list(
  root: string,
  wanted: (name: string) => boolean,
  signal: AbortSignal,
): Promise<readonly FileEntry[]> {
  const names = (await attempt(root, () => readdir(root))).filter(wanted)
  const entries: FileEntry[] = []
  for (const name of names.sort()) {
    signal.throwIfAborted()
    const entry = await attempt(name, () => entryOf(root, name))
    if (entry !== null) entries.push(entry)
  }
  return entries
}

async function entryOf(root: string, name: string): Promise<FileEntry | null> {
  try {
    const stat = await lstat(join(root, name), { bigint: true })
    return {
      name,
      size: Number(stat.size),
      modifiedMs: Number(stat.mtimeMs),
      stamp: `${stat.mtimeNs}-${stat.ino}`,
      isRegular: stat.isFile(),
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

async function* readChunks(path: string, name: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const file = await attempt(name, () => openListed(path, name))
  try {
    for (;;) {
      signal.throwIfAborted()
      const chunk = await attempt(name, () => readChunk(file))
      if (chunk === null) return
      yield chunk
    }
  } finally {
    await file.close()
  }
}

async function openListed(path: string, name: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    const message = `${name} was taken away between listing and reading; the folder is looked through again.`
    throw new AdapterError('ADAPTER_UNREACHABLE', message, { cause: error })
  }
}

async function readChunk(file: FileHandle): Promise<Uint8Array | null> {
  const chunk = new Uint8Array(CHUNK_BYTES)
  const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null)
  return bytesRead === 0 ? null : chunk.subarray(0, bytesRead)
}

/**
 * A hard link to the new place fails where something is there, and then only the name is taken away: unlike a rename
 * it can overwrite nothing. Between the two the producer may put another file under the name; that one is left.
 */
async function move(
  root: string,
  file: FileEntry,
  to: string,
): Promise<'moved' | 'taken' | 'changed' | 'gone'> {
  const from = join(root, file.name)
  const target = join(root, to)
  const before = await entryOf(root, file.name)
  if (before === null) return 'gone'
  if (!isSame(before, file)) return 'changed'
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  const outcome = await linkTo(from, target)
  if (outcome === 'refused') return (await entryOf(root, to)) === null ? 'gone' : 'taken'
  if (outcome === 'impossible') {
    if ((await entryOf(root, to)) !== null) return 'taken'
    await rename(from, target)
    return 'moved'
  }
  const there = await entryOf(root, to)
  const still = await entryOf(root, file.name)
  if (there === null || !isSame(there, file) || still === null || !isSame(still, file)) {
    await unlink(target)
    return 'changed'
  }
  await unlink(from)
  return 'moved'
}

async function linkTo(from: string, target: string): Promise<'linked' | 'refused' | 'impossible'> {
  try {
    await link(from, target)
    return 'linked'
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST' || code === 'ENOENT') return 'refused'
    // File systems without hard links: FAT, some network shares.
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP') return 'impossible'
    throw error
  }
}

function isSame(entry: FileEntry, file: FileEntry): boolean {
  return entry.isRegular && entry.size === file.size && entry.stamp === file.stamp
}

async function attempt<Result>(subject: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw asAdapterError(subject, error)
  }
}

function asAdapterError(subject: string, error: unknown): unknown {
  const code = codeOf(error)
  if (code === null) return error
  const options = { cause: error, details: { code } }
  switch (code) {
    case 'ENOENT':
      return new AdapterError('ADAPTER_ENTITY_UNKNOWN', `${subject} is not there.`, options)
    case 'ENOTDIR':
      return new AdapterError('ADAPTER_ENTITY_UNKNOWN', `${subject} is not a folder.`, options)
    case 'EACCES':
    case 'EPERM':
      return new AdapterError('ADAPTER_AUTH_FAILED', `This account may not use ${subject}.`, options)
    case 'ELOOP':
      return new AdapterError('ADAPTER_CONFIG_INVALID', `${subject} is a link and is not followed.`, options)
    default:
      return new AdapterError('ADAPTER_UNREACHABLE', `${subject} could not be used (${code}).`, options)
  }
}

function codeOf(error: unknown): string | null {
  if (error instanceof AdapterError || !(error instanceof Error) || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}
