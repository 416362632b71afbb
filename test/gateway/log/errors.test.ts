import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LOG_ERRORS, LogError } from '../../../gateway/log/errors.ts'

test('throws every code that is documented, and no other', () => {
  const folder = join(import.meta.dirname, '..', '..', '..', 'gateway', 'log')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && name !== 'errors.ts',
  )
  const used = files.flatMap(
    (name) => readFileSync(join(folder, name), 'utf8').match(/'LOG_[A-Z]+(_[A-Z]+)*'/g) ?? [],
  )
  expect([...new Set(used)].sort()).toEqual(
    Object.keys(LOG_ERRORS)
      .map((code) => `'${code}'`)
      .sort(),
  )
})

test('carries the remedy of its code and the error behind it', () => {
  const cause = new Error('disk I/O error')
  const error = new LogError('LOG_CORRUPT', 'log.sqlite is damaged; restore it from a backup.', cause)
  expect(error).toMatchObject({ name: 'LogError', remedy: 'restore', cause })
})
