import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFiles, FILE_BYTES_MAX } from '../../../gateway/node/files.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'erpgw-files-'))
  writeFileSync(join(folder, 'b.yaml'), '\ufeffname: 螺栓\n')
  writeFileSync(join(folder, 'a.yaml'), Buffer.from([0xd6, 0xd0, 0xce, 0xc4]))
  writeFileSync(join(folder, 'Z.yaml'), '')
  mkdirSync(join(folder, 'inner'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test('reads UTF-8, without the mark that some editors put before it', () => {
  expect(createFiles().read(join(folder, 'b.yaml'))).toBe('name: 螺栓\n')
  expect(createFiles().read(join(folder, 'Z.yaml'))).toBe('')
})

test('says null for what is not there, and for a folder read as a file or a file as a folder', () => {
  const files = createFiles()
  expect(files.read(join(folder, 'absent'))).toBeNull()
  expect(files.read(join(folder, 'b.yaml', 'below'))).toBeNull()
  expect(files.read(folder)).toBeNull()
  expect(files.list(join(folder, 'absent'))).toBeNull()
  expect(files.list(join(folder, 'b.yaml'))).toBeNull()
})

test('lists names in bytewise order', () => {
  expect(createFiles().list(folder)).toEqual(['Z.yaml', 'a.yaml', 'b.yaml', 'inner'])
})

test('does not pass off as absent what it cannot read', () => {
  const files = createFiles()
  expect(() => files.read(join(folder, 'a.yaml'))).toThrow(/is not UTF-8 text; save it as UTF-8/)
  const large = join(folder, 'large')
  writeFileSync(large, '')
  truncateSync(large, FILE_BYTES_MAX + 1)
  expect(() => files.read(large)).toThrow(/is larger than/)
})
