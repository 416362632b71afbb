import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Generator } from '../../scripts/generate/generator.ts'
import { refresh, staleFiles } from '../../scripts/generate.ts'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'generate-'))
})

afterEach(() => rmSync(root, { recursive: true }))

function generator(name: string, files: Readonly<Record<string, string>>): Generator {
  return { name, files: async () => files }
}

const two = [
  generator('one', { 'a.md': 'A\n' }),
  generator('other', { 'deep/er/b.md': 'B\n', 'c.md': 'C\n' }),
]

const paths = async () => (await staleFiles(two, root)).map(({ path }) => path)

test('names the files that are missing or differ, and writes them', async () => {
  expect(await paths()).toEqual(['a.md', 'deep/er/b.md', 'c.md'])
  refresh(await staleFiles(two, root), root)
  expect(await paths()).toEqual([])
  expect(readFileSync(join(root, 'deep/er/b.md'), 'utf8')).toBe('B\n')
  writeFileSync(join(root, 'c.md'), 'C\r\n')
  expect(await staleFiles(two, root)).toEqual([{ path: 'c.md', generator: 'other', content: 'C\n' }])
})

test('refuses two generators for one file', async () => {
  await expect(staleFiles([...two, generator('third', { 'a.md': '' })], root)).rejects.toThrow(
    'a.md is made by two generators: one and third.',
  )
})
