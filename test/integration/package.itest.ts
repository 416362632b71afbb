import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
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
