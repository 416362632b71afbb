import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Files } from '../../gateway/ports.ts'

const ROOT = join(import.meta.dirname, '../..')

export const EVENTS = 'schemas/events'
export const FROZEN = 'schemas/frozen'
export const MAPPINGS = 'schemas/mappings'

/** The files of the checkout, by their paths from its root. */
export const CHECKOUT: Files = {
  read: (path) => orNull(() => readFileSync(join(ROOT, path), 'utf8')),
  list: (path) => orNull(() => readdirSync(join(ROOT, path)).sort()),
}

function orNull<Value>(read: () => Value): Value | null {
  try {
    return read()
  } catch {
    return null
  }
}

/** A JSON file of the checkout. */
export function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(ROOT, path), 'utf8'))
}

/** A folder that exists in memory only, of schemas by file name. */
export function folderOf(documents: Readonly<Record<string, unknown>>): Files {
  return {
    read: (path) => JSON.stringify(documents[path.slice(path.lastIndexOf('/') + 1)]) ?? null,
    list: () => Object.keys(documents).sort(),
  }
}
