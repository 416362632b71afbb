import {
  chmodSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { ProjectionError } from '../ports.ts'

/** Where the files of one projection lie: a folder, or memory. Nothing is synced: a file that is torn does not fit its digest. */
export interface Store {
  /** A whole small file, or null where there is none. */
  read(name: string): Buffer | null
  /** Puts a whole small file in the place of another, at once. */
  replace(name: string, bytes: Uint8Array): void
  create(name: string): Sink
  /** A file that is written, to be read in parts; null where there is none. */
  open(name: string): Parts | null
  /** Removes all files but these. */
  keepOnly(names: ReadonlySet<string>): void
}

export interface Sink {
  write(bytes: Uint8Array): void
  close(): void
}

export interface Parts {
  readonly size: number
  /** Fills `into` with the bytes from `position` on. Throws ProjectionError where the file has fewer. */
  read(into: Uint8Array, position: number): void
  close(): void
}

/** Files in a folder of their own, which only their user can read. Throws ProjectionError for all that a disk refuses. */
export function folderStore(folder: string): Store {
  const path = (name: string) => join(folder, name)
  orPassing(() => {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
  })
  return {
    read: (name) => orAbsent(() => readFileSync(path(name))),
    replace(name, bytes) {
      orPassing(() => {
        writeFileSync(path(`${name}.new`), bytes, { mode: 0o600 })
        renameSync(path(`${name}.new`), path(name))
      })
    },
    create(name) {
      const file = orPassing(() => openSync(path(name), 'w', 0o600))
      return {
        write(bytes) {
          orPassing(() => {
            for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
          })
        },
        close: () => closeSync(file),
      }
    },
    open(name) {
      const file = orAbsent(() => openSync(path(name), 'r'))
      return file === null ? null : partsOf(file)
    },
    keepOnly(names) {
      orPassing(() => {
        for (const name of readdirSync(folder)) if (!names.has(name)) rmSync(path(name), { force: true })
      })
    },
  }
}

function partsOf(file: number): Parts {
  return {
    size: fstatSync(file).size,
    read(into, position) {
      orPassing(() => {
        for (let done = 0; done < into.length; ) {
          const read = readSync(file, into, done, into.length - done, position + done)
          if (read === 0) throw new ProjectionError('A file of the projection is shorter than it was.')
          done += read
        }
      })
    },
    close: () => closeSync(file),
  }
}

function orPassing<Result>(run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    throw new ProjectionError(`The projection cannot be read or written: ${error.message}`, { cause: error })
  }
}

function orAbsent<Result>(open: () => Result): Result | null {
  return orPassing(() => {
    try {
      return open()
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
      throw error
    }
  })
}

/** The same in memory. */
export function memoryStore(): Store {
  const files = new Map<string, Buffer>()
  return {
    read: (name) => files.get(name) ?? null,
    replace: (name, bytes) => void files.set(name, Buffer.from(bytes)),
    create(name) {
      const written: Buffer[] = []
      return {
        write: (bytes) => void written.push(Buffer.from(bytes)),
        close: () => void files.set(name, Buffer.concat(written)),
      }
    },
    open(name) {
      const bytes = files.get(name)
      if (bytes === undefined) return null
      return {
        size: bytes.length,
        read: (into, position) => void into.set(bytes.subarray(position, position + into.length)),
        close: () => undefined,
      }
    },
    keepOnly(names) {
      for (const name of files.keys()) if (!names.has(name)) files.delete(name)
    },
  }
}
