import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'
import { isAbsolute } from 'node:path'
import type { SecretCheck } from '../config/references.ts'
import { parseReference } from '../config/secret-reference.ts'
import type { Secrets } from '../ports.ts'

export type SecretsOptions = Readonly<{
  environment: Readonly<Record<string, string | undefined>>
  /** Id of the user that the process runs as; null on systems without such ids, where owner and mode say nothing. */
  userId: number | null
  /** Is told every value that is read, before anybody else has it: the redactor's `add`. */
  onRead(value: string): void
}>

/** No password, token or key is as large. */
export const SECRET_BYTES_MAX = 65_536

/**
 * Secrets from the environment and from files. A file must belong to this user or root and be readable by nobody
 * else. It is read anew each time, so a rotated secret counts from the next connection on.
 */
export function createSecrets(options: SecretsOptions): Secrets & SecretCheck {
  return {
    read(reference) {
      const found = look(reference, options)
      if (found.value !== null) options.onRead(found.value)
      return found.value
    },
    problem(reference) {
      return look(reference, options).problem
    },
  }
}

type Look = Readonly<{ value: string; problem: null } | { value: null; problem: string }>

function look(reference: string, options: SecretsOptions): Look {
  const parts = parseReference(reference)
  if (parts === null) return none('is no reference; write env:NAME or file:/path')
  if (parts.from === 'file') return fromFile(parts.path, options.userId)
  const value = options.environment[parts.name]
  if (value === undefined)
    return none(`the environment has no ${parts.name}; set it before the gateway starts`)
  return value === '' ? none(`${parts.name} is empty in the environment`) : { value, problem: null }
}

function fromFile(path: string, userId: number | null): Look {
  if (!isAbsolute(path)) return none(`${path} must be an absolute path`)
  let descriptor: number
  try {
    // Not blocking: a path that is a pipe must not hold up the start for ever.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return none(openProblem(path, error))
  }
  try {
    // Looked at through the descriptor, so that what is judged is what is read.
    const problem = fileProblem(path, fstatSync(descriptor), userId)
    if (problem !== null) return none(problem)
    const value = readFileSync(descriptor, 'utf8').replace(/\r?\n$/, '')
    return value === '' ? none(`${path} is empty`) : { value, problem: null }
  } catch (error) {
    return none(`${path} cannot be read (${codeOf(error)})`)
  } finally {
    closeSync(descriptor)
  }
}

function fileProblem(path: string, found: Stats, userId: number | null): string | null {
  if (!found.isFile()) return `${path} is not a file`
  if (found.size > SECRET_BYTES_MAX)
    return `${path} is larger than ${SECRET_BYTES_MAX} bytes, too large for a secret`
  if (userId === null) return null
  if (found.uid !== userId && found.uid !== 0) {
    return `${path} belongs to another user (id ${found.uid}); run: chown ${userId} '${path}'`
  }
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
    return `${path} is open to others (mode ${mode}); run: chmod 600 '${path}'`
  }
  return null
}

function openProblem(path: string, error: unknown): string {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return `there is no file ${path}`
  if (code === 'EACCES' || code === 'EPERM') return `this user may not read ${path}`
  return `${path} cannot be read (${code})`
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'for no known reason'
}

function none(problem: string): Look {
  return { value: null, problem }
}
