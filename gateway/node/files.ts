import { readdirSync, readFileSync, statSync } from 'node:fs'
import type { Files } from '../ports.ts'

/** No file that the gateway itself reads (config, mapping, schema, template) is anywhere near as large. */
export const FILE_BYTES_MAX = 16_000_000

/**
 * The gateway's own files on disk. Null means that there is nothing at the path; anything else that keeps a file from
 * being read (rights, size, encoding) throws one sentence for a person, since taking it for absence would hide it.
 */
export function createFiles(): Files {
  return {
    read(path) {
      const found = statOf(path)
      if (found === null || !found.isFile()) return null
      if (found.size > FILE_BYTES_MAX) throw new Error(`${path} is larger than ${FILE_BYTES_MAX} bytes.`)
      const bytes = attempt(path, () => readFileSync(path))
      return bytes === null ? null : decoded(path, bytes)
    },
    list(path) {
      const names = attempt(path, () => readdirSync(path))
      return names === null ? null : names.sort(bytewise)
    },
  }
}

function statOf(path: string) {
  return attempt(path, () => statSync(path))
}

const ABSENT: ReadonlySet<unknown> = new Set(['ENOENT', 'ENOTDIR', 'EISDIR'])

function attempt<Result>(path: string, run: () => Result): Result | null {
  try {
    return run()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (ABSENT.has(code)) return null
    const reason =
      code === 'EACCES' || code === 'EPERM' ? 'this user may not' : `the system says ${String(code)}`
    throw new Error(`${path} cannot be read: ${reason}.`, { cause: error })
  }
}

function decoded(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new Error(`${path} is not UTF-8 text; save it as UTF-8.`, { cause: error })
  }
}

function bytewise(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}
