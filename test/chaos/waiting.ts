import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { KafkaClientName, KafkaLog } from '../../gateway/log/kafka.ts'
import { folderBytes, type Goal } from '../../scripts/bench/measured.ts'
import { fillPayments, paymentsConfig, paymentsSecrets } from '../../scripts/bench/payments.ts'
import type { KafkaBroker } from '../../scripts/services/kafka-broker.ts'
import { installation } from '../kit/gateway-process.ts'
import { plainKafka } from '../kit/plain-kafka.ts'
import { endsOf } from './logs.ts'

/** Events that must be in the log before the broker goes, so that it goes in the midst of the work. */
const BEFORE = 20_000

/** A page and a batch that are under way may still be read. */
const SETTLE_MS = 15_000

/** Longer than a lane waits for a broker that was away. */
const QUIET_MS = 70_000

const RSS_MEGABYTES_MAX = 600
/** Of the whole data folder, for each million rows: the projection is all that grows. */
const DISK_MEGABYTES_MAX = 300
const EVENTS = 'erp.payment.v1'
const NEVER = new AbortController().signal

/**
 * A first load whose broker is killed in the midst of it and stays away: what the gateway takes meanwhile in memory and
 * on disk, what it still reads, and whether every row is in the log once in the end.
 */
export async function rowsWait(
  options: Readonly<{
    databaseUrl: string
    folder: string
    broker: KafkaBroker
    client: KafkaClientName
    rows: number
    awaySeconds: number
    report(line: string): void
  }>,
): Promise<readonly Goal[]> {
  const { databaseUrl, folder, broker, rows, awaySeconds, report } = options
  await fillPayments(databaseUrl, rows, 'ascending')
  report(`${rows} rows are there`)
  const config = paymentsConfig(databaseUrl, broker.address, options.client)
  const home = installation(folder, { 'gateway.yaml': config }, paymentsSecrets(databaseUrl))
  const gateway = home.start(['run'])
  const most = watch(gateway.pid, join(folder, 'data'))
  const log = plainKafka(options.client, broker.address, { prefix: '' })
  try {
    await untilWritten(log, BEFORE)
    await broker.kill()
    report(`the broker is away for ${awaySeconds} s`)
    await sleep(SETTLE_MS)
    const before = await rowsRead(databaseUrl)
    await sleep(Math.max(1, awaySeconds - SETTLE_MS / 1_000) * 1_000)
    const readWhileAway = (await rowsRead(databaseUrl)) - before
    await broker.start()
    report('the broker is back')
    await untilQuiet(log)
    gateway.kill('SIGTERM')
    const { code, err } = await gateway.ended
    if (code !== 0) throw new Error(`The gateway ended with ${code}: ${err}`)
    const { rssMegabytes, diskMegabytes } = most.stop()
    const { records, keys, ids } = await countEvents(log)
    report(`${records} events of ${keys} records with ${ids} ids`)
    return [
      { what: 'memory', value: rssMegabytes, limit: RSS_MEGABYTES_MAX, unit: 'MB' },
      {
        what: 'disk',
        value: diskMegabytes,
        limit: Math.ceil((DISK_MEGABYTES_MAX * rows) / 1_000_000),
        unit: 'MB',
      },
      { what: 'read while the broker was away', value: readWhileAway, limit: 0, unit: 'rows' },
      { what: 'rows without an event', value: rows - keys, limit: 0, unit: 'rows' },
      { what: 'events too many', value: records - ids + Math.max(0, ids - rows), limit: 0, unit: 'events' },
    ]
  } finally {
    gateway.kill('SIGKILL')
    most.stop()
    await log.close()
  }
}

/** The most that the process and the folder took, looked at twice a second. */
function watch(pid: number, folder: string) {
  const most = { rssMegabytes: 0, diskMegabytes: 0 }
  const timer = setInterval(() => {
    most.rssMegabytes = Math.max(most.rssMegabytes, rssOf(pid))
    most.diskMegabytes = Math.max(most.diskMegabytes, sizeOf(folder))
  }, 500)
  return {
    stop() {
      clearInterval(timer)
      return most
    },
  }
}

function rssOf(pid: number): number {
  try {
    const [, kilobytes = '0'] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kilobytes) / 1_000
  } catch {
    // It has ended.
    return 0
  }
}

function sizeOf(folder: string): number {
  try {
    return folderBytes(folder) / 1e6
  } catch {
    // Not made yet, or a file that is just replaced.
    return 0
  }
}

/** Rows of the table that were read through its indexes until now. */
async function rowsRead(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query<{ count: string }>(
      `SELECT idx_tup_fetch + seq_tup_read AS count FROM pg_stat_user_tables WHERE relname = 'payment'`,
    )
    return Number(rows[0]?.count)
  } finally {
    await client.end()
  }
}

async function untilWritten(log: KafkaLog, wanted: number): Promise<void> {
  while ((await writtenTo(log)) < wanted) await sleep(200)
}

/** Until nothing has been written for a while. */
async function untilQuiet(log: KafkaLog): Promise<void> {
  for (let before = -1; ; ) {
    const now = await writtenTo(log)
    if (now === before) return
    before = now
    await sleep(QUIET_MS)
  }
}

/** A broker that is away has taken nothing that could be seen. */
function writtenTo(log: KafkaLog): Promise<number> {
  return endsOf(log, EVENTS).catch(() => 0)
}

async function countEvents(log: KafkaLog) {
  const keys = new Set<string | null>()
  const ids = new Set<string | undefined>()
  let records = 0
  const { partitions = 0 } = (await log.topics()).find(({ name }) => name === EVENTS) ?? {}
  for (let partition = 0; partition < partitions; partition += 1) {
    for await (const chunk of log.readTo({ topic: EVENTS, partition }, 0, { signal: NEVER })) {
      records += chunk.records.length
      for (const { key, value } of chunk.records) {
        keys.add(key)
        ids.add(/"id":"([^"]+)"/.exec(Buffer.from(value ?? []).toString('latin1', 0, 100))?.[1])
      }
    }
  }
  return { records, keys: keys.size, ids: ids.size }
}
