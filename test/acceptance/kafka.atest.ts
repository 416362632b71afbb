import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { type Installation, installation } from '../kit/gateway-process.ts'
import { onKafka, readEvents, type TestLog } from '../kit/log-reading.ts'
import { describeWithService } from '../kit/services.ts'
import { MAPPING } from './shop/shop.ts'
import { until } from './shop/until.ts'

const TYPESCRIPT = fileURLToPath(new URL('../../docs/consuming/consumer.ts', import.meta.url))
const JAVA = fileURLToPath(new URL('../../docs/consuming/Consumer.java', import.meta.url))
const ROWS = 40

describeWithService('kafka-jars', 'the gateway on Kafka', (brokers) => {
  test('programs of others read its events: TypeScript each once, Java where its own partitioner looks for them [P2]', async () => {
    await using broker = await brokers.start()
    await using site = siteOn(onKafka(broker.address))
    site.drop('one', ROWS, 'Bolt')
    await site.must(0, 'run', '--once')
    site.drop('two', ROWS - 1, 'Nut')
    await site.must(0, 'run', '--once')
    const topic = `${site.log.prefix}erp.item.v1`

    const environment = { BROKERS: broker.address, TOPIC: topic, DATABASE: join(site.folder, 'items.sqlite') }
    const first = await consume({ ...environment, GROUP: `${topic}-1` }, 2 * ROWS)
    expect(first.filter((line) => line.startsWith('applied '))).toHaveLength(2 * ROWS)
    expect(first).toContain('applied erp.item.created.v1 shop/001/采购1 r1')
    expect(first).toContain('applied erp.item.changed.v1 shop/001/采购1 r2')
    expect(first).toContain(`applied erp.item.deleted.v1 shop/001/采购${ROWS} r2`)
    const again = await consume({ ...environment, GROUP: `${topic}-2` }, 2 * ROWS)
    expect(again.filter((line) => line.startsWith('known '))).toHaveLength(2 * ROWS)

    const classes = join(brokers.jars, '*')
    const java = ['-cp', classes, JAVA, broker.address, topic]
    const table = await linesOf('java', java, {})
    expect(table).toHaveLength(ROWS)
    for (const line of table) {
      expect(line).toMatch(/ r2 .*, partition \d where Java puts it, application\/cloudevents\+json/)
    }
    expect(table.filter((line) => line.includes(' erp.item.deleted.v1,'))).toHaveLength(1)
  })

  test('a broker that is away, at the start or later, is waited for, and nothing is lost [P1 P2 P9 F3]', async () => {
    await using broker = await brokers.start()
    await using site = siteOn(onKafka(broker.address))
    site.drop('one', ROWS, 'Bolt')
    await broker.kill()
    const away = await site.must(1, 'check')
    expect(away.out).toContain(`✗ log: Kafka at ${broker.address} cannot be reached`)
    expect(away.out).toContain('✓ source erp can be read')
    const running = site.gateway.start(['run'])
    try {
      await until(async () => (await site.gateway.erpgw('status')).out.includes('The log is away'))
      const second = await site.must(1, 'run')
      expect(second.err).toContain(`Process ${running.pid} has held the data folder`)
      await broker.start()
      await until(async () => (await site.events()).length === ROWS)
      await broker.kill()
      site.drop('two', ROWS, 'Nut')
      await until(async () => (await site.gateway.erpgw('status')).out.includes('retrying'))
      await broker.start()
      await until(async () => (await site.events()).length === 2 * ROWS)
      await until(async () => (await site.gateway.erpgw('status')).code === 0)
    } finally {
      running.kill('SIGTERM')
    }
    const { code, err } = await running.ended
    expect(code, err).toBe(0)
    const ids = (await readEvents(site.folder, 'item', site.log)).map(({ event }) => event.id)
    expect(new Set(ids).size).toBe(2 * ROWS)
  })
})

type Site = Readonly<{
  folder: string
  log: ReturnType<typeof onKafka>
  gateway: Installation
  must: (code: number, ...args: readonly string[]) => ReturnType<Installation['erpgw']>
  /** Drops a full file of so many rows. */
  drop(name: string, rows: number, what: string): void
  events(): Promise<readonly unknown[]>
  [Symbol.asyncDispose](): Promise<void>
}>

/** A gateway that reads files and has its log on Kafka. */
function siteOn(log: ReturnType<typeof onKafka>): Site {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-on-kafka-'))
  const files = { 'gateway.yaml': configOf(log), 'mappings/shop/item.yaml': MAPPING, 'drop/.keep': '' }
  const gateway = installation(folder, files)
  return {
    folder,
    log,
    gateway,
    async must(code, ...args) {
      const ended = await gateway.erpgw(...args)
      expect(ended.code, `erpgw ${args.join(' ')}\n${ended.err}${ended.out}`).toBe(code)
      return ended
    },
    drop(name, rows, what) {
      const lines = Array.from({ length: rows }, (_, index) => `采购${index + 1},${what},0010\n`)
      writeFileSync(join(folder, 'drop', `${name}.csv`), `code,name,grp\n${lines.join('')}`)
    },
    events: () => readEvents(folder, 'item', log),
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs the example until it has printed so many lines, and ends it. */
async function consume(
  environment: Readonly<Record<string, string>>,
  lines: number,
): Promise<readonly string[]> {
  return await linesOf(process.execPath, [TYPESCRIPT], environment, lines)
}

/** What a program prints; it is ended after so many lines, or ends by itself. */
function linesOf(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  enough = Number.POSITIVE_INFINITY,
): Promise<readonly string[]> {
  const child = spawn(command, args, { env: { ...process.env, ...environment } })
  let out = ''
  let err = ''
  const lines = () => out.split('\n').filter((line) => /^(applied|known|shop)/.test(line))
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
    if (lines().length >= enough) child.kill('SIGTERM')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0 || lines().length >= enough) resolve(lines())
      else reject(new Error(`${command} ended with code ${code}: ${err}${out}`))
    })
  })
}

function configOf(log: TestLog): string {
  return `
companies:
  001: { name: Shop, currency: HKD, zone: Asia/Hong_Kong }
data: ./data
${log.config}
mappings: [./mappings]
sources:
  erp:
    kind: file-drop
    system: shop
    company: 001
    zone: UTC
    connection: { transport: folder, path: ./drop }
    poll: { every: 200ms }
    feeds:
      items:
        mapping: shop/item
        files: "*.csv"
        format: { kind: csv, encoding: utf-8, header: first-row }
        key: [code]
        content: full
        finished: { by: rename }
        cursor: { strategy: files, order: name }
`
}
