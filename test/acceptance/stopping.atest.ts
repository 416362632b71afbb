import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openEmbeddedReader } from '../../gateway/log/embedded.ts'
import { LogError } from '../../gateway/log/errors.ts'
import { createRuntime } from '../../gateway/node/runtime.ts'
import type { Published } from '../kit/checkers/facts.ts'
import { gaplessRevisions } from '../kit/checkers/gapless-revisions.ts'
import { uniqueIds } from '../kit/checkers/unique-ids.ts'
import type { GatewayProcess } from '../kit/gateway-process.ts'
import { readEvents } from '../kit/log-reading.ts'
import { describeUnless, describeWithService, type Postgres } from '../kit/services.ts'
import { addArticles, configOf, openShop, type Shop } from './shop/shop.ts'
import { until } from './shop/until.ts'

/** A process that is asked to end has this long, as supervisors of services give it. */
const STOP_MS = 20_000

describeWithService('postgres', 'stopping', (postgres) => {
  test('SIGTERM during a load of 200,000 rows ends within 20 s with exit 0, and the next run completes it with no row twice [P1 P2 F40]', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 200_000)
    const running = shop.gateway.start(['run'])
    await until(async () => (await countOf(shop)) > 0)
    const asked = performance.now()
    running.kill('SIGTERM')
    const { code, err } = await running.ended
    expect(code, err).toBe(0)
    expect(performance.now() - asked).toBeLessThan(STOP_MS)
    expect(err).toContain('The gateway has ended.')
    expect(await countOf(shop)).toBeLessThan(200_000)
    await shop.runOnce()
    await expectEachOnce(shop, 200_000)
  })

  test('kill -9 of the whole process, then a start works at once on the lock of the dead [P1 P2 F1]', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 20_000)
    for (let kills = 0; kills < 3; kills += 1) {
      const before = await countOf(shop)
      const running = shop.gateway.start(['run'])
      await until(async () => (await countOf(shop)) > before || before === 20_000)
      running.kill('SIGKILL')
      expect((await running.ended).signal).toBe('SIGKILL')
    }
    expect((await shop.gateway.erpgw('status')).code).toBe(3)
    await shop.runOnce()
    await expectEachOnce(shop, 20_000)
  })

  test('a second gateway on the same data folder is refused and told whose it is; the first goes on [P2 F5]', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 10)
    await running(shop, async (first) => {
      const { err } = await shop.must(1, 'run')
      expect(err).toContain(`Process ${first.pid} `)
      await shop.must(0, 'status')
    })
    await expectEachOnce(shop, 10)
  })

  test('a process that was frozen for ten seconds goes on as if nothing had been [P1 P2]', async () => {
    await using shop = await openShop(postgres)
    await addArticles(shop, 20_000)
    await running(shop, async (frozen) => {
      await until(async () => (await countOf(shop)) > 0)
      frozen.kill('SIGSTOP')
      await shop.query(`UPDATE article SET name = 'Changed' WHERE code <= 'A000100'`)
      await new Promise((resolve) => setTimeout(resolve, 10_000))
      frozen.kill('SIGCONT')
      await until(async () => {
        const events = await shop.events()
        const newest = new Map(events.map(({ subject, data }) => [subject, JSON.stringify(data)]))
        const changed = [...newest.values()].filter((data) => data.includes('"Changed"'))
        return newest.size === 20_000 && changed.length === 100
      })
    })
    const published = await readEvents(join(shop.folder, 'data'), 'item')
    expect([...gaplessRevisions(published), ...uniqueIds(published)]).toEqual([])
  })

  test('a log at its limit pauses reading and says so; with more room it goes on and nothing is lost [P9 F17]', async () => {
    const rows = 60_000
    await using shop = await openShop(postgres, { config: (connection) => limited(connection, '100MB') })
    await addArticles(shop, rows)
    // Long names fill the smallest log that a config may ask for.
    await shop.query("UPDATE article SET name = repeat('采购', 240)")
    await running(shop, async () => {
      await until(async () => /full|diskMax/.test(JSON.stringify(await statusOf(shop))))
      expect((await shop.must(0, 'status')).out).toMatch(/articles .*try \d+: .*full/)
    })
    expect(await countOf(shop)).toBeLessThan(rows)
    shop.write('gateway.yaml', limited(connectionOf(shop), '1GB'))
    await shop.runOnce()
    await expectEachOnce(shop, rows)
  })

  const tmpfs = openTmpfs()
  describeUnless(tmpfs.missing, 'on a small disk', () => {
    test('a full disk pauses reading; when there is room again it goes on and nothing is lost [P9 F17]', async () => {
      await onFullDisk(postgres, tmpfs.folder)
    })
  })
})

async function onFullDisk(postgres: Postgres, disk: string): Promise<void> {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m,mode=0700', 'erpgw-test', disk])
    await using shop = await openShop(postgres, {
      config: (connection) => configOf(connection).replace('data: ./data', `data: ${disk}/data`),
    })
    await addArticles(shop, 40_000)
    const process = shop.gateway.start(['run'])
    await until(async () => /full|space/i.test(JSON.stringify(await statusOf(shop))))
    const events = await readEvents(join(disk, 'data'), 'item')
    expect(events.length).toBeLessThan(40_000)
    execFileSync('mount', ['-o', 'remount,size=400m', disk])
    await until(async () => (await readEvents(join(disk, 'data'), 'item')).length === 40_000)
    process.kill('SIGTERM')
    expect((await process.ended).code).toBe(0)
    expectOnce(await readEvents(join(disk, 'data'), 'item'), 40_000)
  } finally {
    execFileSync('umount', [disk])
    rmSync(disk, { recursive: true, force: true })
  }
}

/** A folder on which a small disk can be mounted, or why there is none. */
function openTmpfs(): Readonly<{ folder: string; missing: string | null }> {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-disk-'))
  chmodSync(folder, 0o700)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'erpgw-test', folder], { stdio: 'ignore' })
    execFileSync('umount', [folder])
    return { folder, missing: null }
  } catch {
    rmSync(folder, { recursive: true, force: true })
    return { folder, missing: 'mounting a small disk needs root' }
  }
}

/** Runs a gateway meanwhile; it must end well when asked to. */
async function running(shop: Shop, use: (process: GatewayProcess) => Promise<void>): Promise<void> {
  const process = shop.gateway.start(['run'])
  try {
    await until(async () => (await shop.gateway.erpgw('status')).code !== 3)
    await use(process)
  } finally {
    process.kill('SIGTERM')
  }
  const { code, err } = await process.ended
  expect(code, err).toBe(0)
}

async function statusOf(shop: Shop): Promise<unknown> {
  const { code, out } = await shop.gateway.erpgw('status', '--json')
  return code === 3 ? null : JSON.parse(out)
}

function limited(connection: string, diskMax: string): string {
  return configOf(connection, `log: { driver: embedded, diskMax: ${diskMax} }`)
}

function connectionOf(shop: Shop): string {
  const url = new URL(shop.database.url)
  return `{ engine: postgres, host: ${url.hostname}, port: ${url.port}, database: ${shop.database.name}, user: ${url.username}, password: env:SHOP_PASSWORD }`
}

/** How many events have been written; 0 where there is no log yet. */
async function countOf(shop: Shop): Promise<number> {
  try {
    const reader = openEmbeddedReader({ folder: join(shop.folder, 'data', 'log'), runtime: createRuntime() })
    const { signal } = new AbortController()
    const topic = (await reader.topics()).find(({ name }) => name === 'erp.item.v1')
    let count = 0
    for (let partition = 0; partition < (topic?.partitions ?? 0); partition += 1) {
      count += await reader.end({ topic: 'erp.item.v1', partition }, signal)
    }
    await reader.close()
    return count
  } catch (error) {
    if (error instanceof LogError) return 0
    throw error
  }
}

async function expectEachOnce(shop: Shop, rows: number): Promise<void> {
  expectOnce(await readEvents(join(shop.folder, 'data'), 'item'), rows)
}

function expectOnce(published: readonly Published[], rows: number): void {
  expect([...gaplessRevisions(published), ...uniqueIds(published)]).toEqual([])
  expect(published).toHaveLength(rows)
  expect(new Set(published.map(({ recordKey }) => recordKey)).size).toBe(rows)
}
