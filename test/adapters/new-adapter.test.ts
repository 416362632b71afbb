import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify, stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newAdapter } from '../../scripts/new-adapter.ts'
import { ROOT } from '../../scripts/steps.ts'

const run = promisify(execFile)

/** What a checkout needs of itself to make an adapter and try it. */
const COPIED = [
  'adapters',
  'gateway',
  'scripts',
  'test/kit',
  'test/adapters',
  'package.json',
  'tsconfig.json',
  'biome.json',
  'vitest.config.ts',
]

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'erpgw-new-adapter-'))
  for (const path of COPIED) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    cpSync(join(ROOT, path), join(root, path), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
})
afterEach(() => rmSync(root, { recursive: true }))

describe('npm run new-adapter', () => {
  test('makes an adapter that is typed, formatted, registered, and passes the kit', {
    timeout: 120_000,
  }, async () => {
    const { stdout } = await node('scripts/new-adapter.ts', 'punch-card')
    const written = stdout.split('\n').filter((line) => line.endsWith('.ts'))
    expect(written).toEqual([
      'adapters/punch-card/adapter.ts',
      'adapters/punch-card/driver.ts',
      'test/adapters/punch-card.test.ts',
      'adapters/registry.ts',
    ])
    await node('node_modules/@biomejs/biome/bin/biome', 'check', ...written)
    writeFileSync(
      join(root, 'tsconfig.json'),
      JSON.stringify({ ...JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')), include: written }),
    )
    await node('node_modules/typescript/bin/tsc', '--noEmit')
    const tried = await node(
      'node_modules/vitest/vitest.mjs',
      'run',
      '--project',
      'quick',
      'test/adapters/punch-card',
    )
    expect(stripVTControlCharacters(tried.stdout)).toMatch(/Tests +[1-9]\d* passed \(/)
    const listed = await node(
      '--input-type=module',
      '-e',
      "console.log((await import('./adapters/registry.ts')).adapterOf('punch-card').summary)",
    )
    expect(listed.stdout).toBe('Reads lines that are appended to a file.\n')
  })

  test('changes one line outside its folder and its test', () => {
    const before = readFileSync(join(root, 'adapters/registry.ts'), 'utf8').split('\n')
    newAdapter(root, 'punch-card')
    const after = readFileSync(join(root, 'adapters/registry.ts'), 'utf8').split('\n')
    expect(after.filter((line) => !before.includes(line))).toEqual(["  import('./punch-card/adapter.ts'),"])
    expect(after.length).toBe(before.length + 1)
  })

  test('gives an adapter that is small enough to be read at once, with its test', () => {
    const [adapter = '', driver = '', kitTest = ''] = newAdapter(root, 'punch-card')
    const lines = [adapter, driver, kitTest].flatMap((path) =>
      readFileSync(join(root, path), 'utf8').trimEnd().split('\n'),
    )
    expect(lines.length).toBeLessThan(120)
  })

  test.each(['PunchCard', 'punch_card', '', '../x', 'file-drop'])('refuses the name %j', (name) => {
    expect(() => newAdapter(root, name)).toThrow(/no name for an adapter|is there already/)
  })
})

function node(...parameters: string[]) {
  return run(process.execPath, parameters, {
    cwd: root,
    env: { ...process.env, VITEST: undefined, NODE_OPTIONS: '' },
  })
}
