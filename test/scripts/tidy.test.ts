import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Finding, readTree, type Tree, tidy } from '../../scripts/tidy.ts'

/** A tree with nothing to put right: an entry point, an adapter, a test. */
const CLEAN: Readonly<Record<string, string>> = {
  'package.json': '{ "scripts": { "erpgw": "node gateway/main.ts" } }',
  'gateway/main.ts': "import '../adapters/registry.ts'\n",
  'adapters/registry.ts': "export * from './soap/soap.ts'\n",
  'adapters/soap/soap.ts': '',
}

/** Each breaks one rule in one line, in a file that is otherwise reached. `found` is part of what tidy says. */
const PLANTED: readonly Readonly<{
  rule: string
  path: string
  text: string
  line?: number
  found: string
}>[] = [
  ...[
    importing('gateway/lane/poll.ts', '../../adapters/soap/soap.ts', 'through adapters/registry.ts alone'),
    importing('gateway/lane/poll.ts', '../node/disk.ts', "port's implementation"),
    importing('gateway/lane/poll.ts', '../log/embedded.ts', "port's implementation"),
    importing('gateway/lane/poll.ts', '../log/memory.ts', "port's implementation"),
    importing('gateway/lane/poll.ts', '../../test/kit/world.ts', 'nothing but tests and scripts'),
    importing('gateway/lane/poll.ts', '../../scripts/demo.ts', 'may not depend on scripts/'),
    importing('gateway/lane/poll.ts', 'pg', "only an adapter's driver"),
    importing('adapters/soap/read.ts', '../../gateway/event.ts', 'an adapter knows its contract'),
    importing('adapters/soap/read.ts', '../sap/rfc.ts', 'another adapter'),
    importing('adapters/soap/read.ts', '../registry.ts', 'an adapter may import'),
    importing('adapters/shared/http.ts', '../soap/soap.ts', 'another adapter'),
    importing('adapters/soap/read.ts', 'soap', "only the adapter's driver file"),
    importing('adapters/soap/driver.ts', 'soap', "use await import('soap')"),
    importing('schemas/read.ts', '../gateway/event.ts', 'schemas/ is data'),
  ],
  ...['fs', 'net', 'http', 'https', 'dns', 'child_process', 'worker_threads', 'tls', 'os', 'timers'].map(
    (name) => importing('gateway/lane/poll.ts', `node:${name}`, `imports node:${name} outside a driver`),
  ),
  importing('adapters/soap/read.ts', 'fs/promises', 'imports node:fs/promises outside a driver'),
  product(
    'drawing lots by import',
    "import { randomBytes } from 'node:crypto'; randomBytes(1)",
    'imports randomBytes',
  ),
  product(
    'a computed import',
    'export const load = (name: string) => import(name)',
    'imports a computed name',
  ),
  product('the present as a Date', 'const at = new Date()', 'makes a Date of the present'),
  product('the present as text', 'const at = Date()', 'makes the text of the present'),
  product('the clock', 'const at = Date.now()', 'uses Date.now; take Runtime.wall'),
  product('the monotone clock', 'const at = performance.now()', 'uses performance; take Runtime.mono'),
  product('a Date of parts', 'const at = new Date(2026, 0, 1)', 'own time zone; use Date.UTC'),
  product('the machine’s hours', 'export const f = (at: Date) => at.getHours()', 'uses getHours'),
  product('a timer', 'setTimeout(() => 1, 5)', 'uses setTimeout; take Runtime.sleep'),
  product('an interval', 'setInterval(() => 1, 5)', 'uses setInterval'),
  product('an immediate', 'setImmediate(() => 1)', 'uses setImmediate'),
  product('a deadline', 'const signal = AbortSignal.timeout(5)', 'uses AbortSignal.timeout'),
  product('drawing lots', 'const chance = Math.random()', 'uses Math.random; take Runtime.float'),
  product('drawing an id', 'const id = crypto.randomUUID()', 'uses crypto.randomUUID; take Runtime.uuid'),
  product('the environment', 'const home = process.env', 'uses process; main.ts alone'),
  product('a shorthand', 'export const world = { process }', 'uses process; main.ts alone'),
  product('a request', "void fetch('http://erp')", 'uses fetch; take Ports.http'),
  product('a socket', "new WebSocket('ws://erp')", 'uses WebSocket'),
  product('the back door', 'const g = globalThis', 'uses globalThis'),
  product('printing', "console.log('x')", 'uses console'),
  product('the machine’s zone', "new Intl.DateTimeFormat('en', { hour: 'numeric' })", 'without a timeZone'),
  product(
    'the machine’s language',
    'export const f = (n: number) => n.toLocaleString()',
    'uses toLocaleString',
  ),
  product('the machine’s order', "export const f = (a: string) => a.localeCompare('b')", 'localeCompare'),
  product(
    'a catch that only logs',
    'try { f() } catch (error) { logger.warn(error) }',
    'only logs what it caught',
  ),
  product(
    'a rejection that is only logged',
    'f().catch((e) => ports.logger.warn(e))',
    'only logs what it caught',
  ),
  product('an empty catch', 'try { f() } catch {}', 'is an empty catch'),
  product('an empty rejection', 'f().catch(() => {})', 'is an empty catch'),
  { ...product('a long file', '\n'.repeat(400).concat('f()'), 'has 401 lines'), line: 401 },
  product('a long function', `function f() {${'\n'.repeat(70)}}`, 'is a function of 71 lines'),
  product('a promise for later', '/* TO\u0044O: faster */ f()', 'file an issue'),
  product('a broken promise', '// FIX\u004dE', 'file an issue'),
  product('a cast to any', 'const x = f() as any', 'casts to any'),
  product('a silenced compiler', '// @ts-\u0069gnore\nf(1)', 'silences the compiler'),
  product('a file that cannot be parsed', 'const = 5', 'cannot be parsed'),
  product('a machine path', `const at = '${['', 'home', 'ann', 'erp'].join('/')}'`, 'a path of one machine'),
  product(
    'a path that is built away',
    "new URL('./worker.ts', import.meta.url)",
    'is a .js file once the package',
  ),
  {
    rule: 'a file named after nothing',
    path: 'gateway/lane/utils.ts',
    text: 'f()',
    found: 'has "utils" in its name',
  },
  {
    rule: 'a folder named after nothing',
    path: 'gateway/common/poll.ts',
    text: 'f()',
    found: 'has "common"',
  },
  { rule: 'types of everything', path: 'gateway/lane/types.ts', text: 'f()', found: 'has "types"' },
  { rule: 'a manager', path: 'gateway/lane/lane-manager.ts', text: 'f()', found: 'has "manager"' },
  { rule: 'camel case on disk', path: 'gateway/lane/readPage.ts', text: 'f()', found: 'kebab-case' },
  testing('a test that runs alone', "test.only('x', () => 1)", 'silences every other test'),
  testing('a suite that runs alone', "describe.only('x', () => 1)", 'silences every other test'),
  testing('a test that is skipped', "test.skip('x', () => 1)", 'calls test.skip without a reason'),
  testing('a suite that may be skipped', "describe.skipIf(true)('x', () => 1)", 'without a reason'),
  testing('a test that skips itself', "test('x', (context) => context.skip())", 'without a reason'),
  testing('a test that is to be written', "test.todo('x')", 'without a reason'),
]

test('reads the whole checkout, and nothing that git ignores', () => {
  const paths = [...readTree(join(import.meta.dirname, '..', '..')).keys()]
  expect(paths).toEqual(expect.arrayContaining(['package.json', 'adapters/contract.ts', '.ci/run']))
  expect(paths.filter((path) => /(^|\/)(node_modules|\.git|\.cache)\//.test(path))).toEqual([])
})

test('a clean tree gives nothing to say', () => {
  expect(tidy(treeOf({}))).toEqual([])
})

describe('tidy finds', () => {
  test.each(PLANTED)('$rule in $path', ({ path, text, line, found }) => {
    const findings = tidy(treeOf({ [path]: text, ...reaching(path) })).filter(
      (finding) => finding.path === path,
    )
    expect(findings).toEqual([{ path, line: line ?? 1, message: expect.stringContaining(found) }])
  })

  test('a file that nothing reaches', () => {
    expect(messages({ 'gateway/lane/old.ts': 'f()' })).toEqual([
      'gateway/lane/old.ts:1 is reached from no entry point and no test; use it or delete it',
    ])
  })

  test('no fault with files that a program starts, a worker or a page among them', () => {
    const files = {
      'test/lab/chat/run.test.ts': "start('./server.ts'); serve('/page/app.mjs'); run('scripts/bench.ts')",
      'test/lab/chat/server.ts': 'f()',
      'test/lab/chat/page/app.mjs': 'f()',
      'scripts/bench.ts': 'f()',
    }
    expect(messages(files)).toEqual([])
  })

  test('an export that nothing imports, and a type that nothing names', () => {
    const path = 'gateway/lane/poll.ts'
    const text = [
      'export function used(options: Options): void {}',
      'export type Options = { a: 1 }',
      'export type Unnamed = { b: 1 }',
      'export const idle = used',
    ].join('\n')
    expect(
      messages({ [path]: text, 'test/a.test.ts': `import { used } from '../${path}'\nused({ a: 1 })` }),
    ).toEqual([
      `${path}:3 exports Unnamed, which nothing imports; drop the export`,
      `${path}:4 exports idle, which nothing imports; drop the export`,
    ])
  })

  test('a registry in the lock file', () => {
    const lock = '{\n"resolved": "https://somewhere/a.tgz"\n}'
    expect(messages({ 'package-lock.json': lock })).toEqual([
      expect.stringMatching(/^package-lock\.json:2 names a registry/),
    ])
  })
})

describe('tidy lets pass', () => {
  test.each([
    ['the world in a driver', 'gateway/node/clock.ts', "import 'node:fs'; setTimeout(() => Date.now(), 1)"],
    ['the world in the adapter’s driver', 'adapters/soap/driver.ts', "import 'node:fs'; void import('soap')"],
    [
      'types of a driver package',
      'adapters/soap/read.ts',
      "import type { Client } from 'soap'\nlet client: Client",
    ],
    [
      'names of its own',
      'gateway/lane/poll.ts',
      'export function f(process: { fetch(): void }) { process.fetch() }',
    ],
    [
      'names behind a dot, as keys and in types',
      'gateway/lane/poll.ts',
      'a.fetch({ process: 1 }); let x: typeof fetch',
    ],
    [
      'bindings of a pattern',
      'gateway/lane/poll.ts',
      'const { fetch, process: { pid: performance } } = ports; fetch()',
    ],
    [
      'a Date of what is given',
      'gateway/lane/poll.ts',
      'f(new Date(wall), at.getUTCHours(), Date.UTC(2026, 1))',
    ],
    ['hashes', 'gateway/lane/poll.ts', "import { createHash } from 'node:crypto'; createHash('sha256')"],
    ['a zone that is named', 'gateway/lane/poll.ts', "new Intl.DateTimeFormat('en', { timeZone: 'UTC' })"],
    ['a catch that answers', 'gateway/lane/poll.ts', 'function f() { try { g() } catch { return null } }'],
    [
      'a catch that logs and acts',
      'gateway/lane/poll.ts',
      'try { g() } catch (e) { logger.warn(e); stop() }',
    ],
    ['a skip with its reason', 'test/a.test.ts', "describe.skip('x [skipped: no data]', () => 1)"],
    [
      'a worker that is found in both places',
      'gateway/node/threads.ts',
      "f(isSource ? './worker.ts' : './worker.js')",
    ],
    ['a subject that is types', 'gateway/lane/field-types.ts', 'f()'],
    ['a long suite', 'test/a.test.ts', `describe('x', () => {${'\n'.repeat(80)}})`],
    [
      'a long list of tests in a kit',
      'test/kit/log.ts',
      `export function testLog() {${'\n'.repeat(80)} test('x', () => 1) }\n`,
    ],
    ['a long generated file', 'gateway/lane/event.generated.ts', '\n'.repeat(500)],
  ])('%s', (_, path, text) => {
    expect(tidy(treeOf({ [path]: text, ...reaching(path) }))).toEqual([])
  })
})

function treeOf(files: Readonly<Record<string, string>>): Tree {
  return new Map(Object.entries({ ...CLEAN, ...files }))
}

/** A test that imports the file, so that it is not dead as well. */
function reaching(path: string): Record<string, string> {
  return path.endsWith('.test.ts') ? {} : { 'test/reach.test.ts': `import * as planted from '../${path}'` }
}

function messages(files: Readonly<Record<string, string>>): readonly string[] {
  return tidy(treeOf(files)).map(({ path, line, message }: Finding) => `${path}:${line} ${message}`)
}

function importing(path: string, specifier: string, found: string) {
  return { rule: `an import of ${specifier}`, path, text: `import '${specifier}'`, found }
}

function product(rule: string, text: string, found: string) {
  return { rule, path: 'gateway/lane/poll.ts', text, found }
}

function testing(rule: string, text: string, found: string) {
  return { rule, path: 'test/lane/poll.test.ts', text, found }
}
