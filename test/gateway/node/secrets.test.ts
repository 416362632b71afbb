import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSecrets, SECRET_BYTES_MAX } from '../../../gateway/node/secrets.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'erpgw-secrets-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const userId = process.getuid?.() ?? 0

function secrets(
  wish: Partial<{
    environment: Record<string, string>
    userId: number | null
    onRead(value: string): void
  }> = {},
) {
  return createSecrets({ environment: {}, userId, onRead: () => undefined, ...wish })
}

function file(name: string, content: string, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return `file:${path}`
}

test('reads a variable and a file, whose last line break is not part of the secret', () => {
  const port = secrets({ environment: { K3_PASSWORD: ' sp aced ' } })
  expect(port.read('env:K3_PASSWORD')).toBe(' sp aced ')
  expect(port.read(file('plain', 'hunter2\n'))).toBe('hunter2')
  expect(port.read(file('windows', 'hunter2\r\n'))).toBe('hunter2')
  expect(port.read(file('lines', 'one\ntwo\n\n'))).toBe('one\ntwo\n')
  expect(port.problem('env:K3_PASSWORD')).toBeNull()
})

test('tells the redactor each value that it hands out', () => {
  const seen: string[] = []
  const port = secrets({ environment: { A: 'first' }, onRead: (value) => void seen.push(value) })
  port.read('env:A')
  port.read(file('told', 'second\n'))
  expect(seen).toEqual(['first', 'second'])
})

test.each([0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o777])(
  'refuses a file that others may touch (mode %o), and says how to close it',
  (mode) => {
    const reference = file(`open-${mode.toString(8)}`, 'hunter2', mode)
    expect(secrets().read(reference)).toBeNull()
    expect(secrets().problem(reference)).toMatch(/open to others \(mode 0\d{3}\); run: chmod 600 '/)
    expect(secrets().problem(reference)).not.toContain('hunter2')
  },
)

test('refuses a file of another user, but takes one of root', () => {
  const reference = file('foreign', 'hunter2')
  // Root can give a file away; anybody else can only pretend to be another user.
  if (userId === 0) {
    expect(secrets({ userId: 1234 }).read(reference)).toBe('hunter2')
    chownSync(reference.slice('file:'.length), 1234, 1234)
  }
  const problem = secrets({ userId: userId === 0 ? 0 : userId + 1 }).problem(reference)
  expect(problem).toMatch(/belongs to another user \(id \d+\); run: chown \d+ '/)
})

test('looks at neither owner nor mode where the system has no such thing', () => {
  expect(secrets({ userId: null }).read(file('windows-host', 'hunter2', 0o644))).toBe('hunter2')
})

test('says why there is nothing, without a word of what is there', () => {
  const port = secrets({ environment: { EMPTY: '' } })
  mkdirSync(join(folder, 'folder'))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling'))
  const large = file('large', 'x')
  truncateSync(large.slice('file:'.length), SECRET_BYTES_MAX + 1)
  expect(port.problem('env:UNSET')).toBe('the environment has no UNSET; set it before the gateway starts')
  expect(port.problem('env:EMPTY')).toBe('EMPTY is empty in the environment')
  expect(port.problem(`file:${folder}/absent`)).toBe(`there is no file ${folder}/absent`)
  expect(port.problem(`file:${folder}/dangling`)).toMatch(/there is no file/)
  expect(port.problem(`file:${folder}/folder`)).toMatch(/is not a file/)
  expect(port.problem('file:relative/path')).toMatch(/must be an absolute path/)
  expect(port.problem(file('empty', '\n'))).toMatch(/is empty/)
  expect(port.problem(large)).toMatch(/too large for a secret/)
  expect(port.problem('hunter2')).toBe('is no reference; write env:NAME or file:/path')
  expect(port.read('hunter2')).toBeNull()
})
