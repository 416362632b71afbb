import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ran, run } from '../../scripts/services/run.ts'
import { ROOT } from '../../scripts/steps.ts'

const INSTALL_MS = 240_000

describe('the packed package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-package-'))
  const home = join(folder, 'home')
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  beforeAll(async () => {
    await npm(ROOT, 'pack', '--pack-destination', folder)
    const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
    mkdirSync(home)
    // Whatever is in the cache of this machine is good enough; the rest comes from the registry.
    await npm(home, 'install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, tarball ?? ''))
  }, INSTALL_MS)

  test('runs as erpgw in an empty folder', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    expect((await npm(home, 'exec', '--no', '--', 'erpgw', '--version')).trim()).toBe(version)
  })

  // Workers and schemas lie elsewhere in the package than in the checkout.
  test('moves a file of an ERP into its log', async () => {
    for (const [path, text] of Object.entries(SHOP)) {
      mkdirSync(dirname(join(home, path)), { recursive: true })
      writeFileSync(join(home, path), text)
    }
    await npm(home, 'exec', '--no', '--', 'erpgw', 'run', '--once')
    const lines = (await npm(home, 'exec', '--no', '--', 'erpgw', 'events', '--json')).trim().split('\n')
    const events = lines.map((line) => JSON.parse(line))
    expect(events.map(({ type, subject, data }) => [type, subject, data.item.name]).toSorted()).toEqual([
      ['erp.item.created.v1', '0010', '采购'],
      ['erp.item.created.v1', '0020', 'bolt'],
    ])
  })

  test('holds what runs and what the docs refer to, and no source or test', () => {
    const installed = readdirSync(join(home, 'node_modules', 'erp-gateway'), {
      recursive: true,
      encoding: 'utf8',
    })
    expect(installed).toEqual(
      expect.arrayContaining(['LICENSE', 'dist/gateway/main.js', 'gateway/cli/erpgw.mjs']),
    )
    expect(installed.some((path) => path.startsWith('schemas/'))).toBe(true)
    expect(installed.filter((path) => /\.ts$|^(test|scripts)\b/.test(path))).toEqual([])
  })
})

/** A shop whose ERP drops a list of items, and how it is to be read. */
const SHOP = {
  'drop/items.csv': 'item_no,name\n0010,采购\n0020,bolt\n',
  'mappings/shop/item.yaml': `
mapping: shop/item
entity: item
version: 1
key: [item_no]
fields:
  item: { from: item_no, as: code, name: name }
`,
  'gateway.yaml': `
companies:
  001: { name: Example Trading, currency: HKD, zone: Asia/Hong_Kong }
data: ./state
mappings: [./mappings]
sources:
  shop:
    kind: file-drop
    system: shop
    company: 001
    zone: Asia/Hong_Kong
    connection: { transport: folder, path: ./drop }
    feeds:
      items:
        mapping: shop/item
        files: "*.csv"
        format: { kind: csv }
        key: [item_no]
        content: partial
        finished: { by: rename }
        cursor: { strategy: files }
`,
}

/** Runs npm in a folder, on the Node that runs this test, and returns what it printed. */
async function npm(folder: string, ...args: readonly string[]): Promise<string> {
  const path = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`
  const ran: Ran = await run('npm', ['--prefix', folder, ...args], {
    timeoutMs: INSTALL_MS,
    folder,
    environment: { PATH: path, npm_config_loglevel: 'error' },
  })
  if (!ran.ok) throw new Error(`${ran.reason}\n${ran.output}`)
  return ran.output
}
