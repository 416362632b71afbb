import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Files } from '../../gateway/ports.ts'
import { ROOT } from '../steps.ts'

export const EVENTS_FOLDER = 'schemas/events'

/** The files of the checkout, by their paths from its root. */
export const CHECKOUT: Files = {
  read: (path) => readFileSync(join(ROOT, path), 'utf8'),
  list: (path) => readdirSync(join(ROOT, path)).sort(),
}
