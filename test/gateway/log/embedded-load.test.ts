import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished, test } from 'vitest'
import type { EmbeddedLog, EmbeddedLogOptions } from '../../../gateway/log/embedded.ts'
import { createEmbeddedLog, openEmbeddedReader } from '../../../gateway/log/embedded.ts'
import { openStore } from '../../../gateway/log/embedded-store.ts'
import { pack } from '../../../gateway/log/embedded-wire.ts'
import type { Chunk } from '../../../gateway/log/port.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { NO_FAILPOINTS } from '../../../gateway/runtime.ts'
import { ORDERS, REJECTS } from '../../kit/log-contract.ts'
import { commit, NEVER, order, readTopic, textOf } from '../../kit/log-contract-steps.ts'

const runtime = createRuntime()
const PARTITIONS = 3

test('keeps the write-ahead log below 64 MB while others follow under heavy load [P9]', async () => {
  const folder = freshFolder()
  const log = await openLog({ folder })
  const reader = openEmbeddedReader({ folder, runtime })
  const controller = new AbortController()
  const { signal } = controller
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic: ORDERS.name, partition }))
  const counted = counter(2 * 40_000)
  const following = [
    ...partitions.map((at) => counted.follow(reader.follow(at, 0, signal))),
    (async () => {
      const members: Promise<void>[] = []
      for await (const owned of log.subscribe('g', [ORDERS.name], signal))
        members.push(counted.follow(owned.read(0)))
      await Promise.all(members)
    })(),
  ]
  let largest = 0
  const value = new Uint8Array(3_000)
  await Promise.all(
    ['a', 'b'].map(async (lane) => {
      const writer = await log.writer(lane, NEVER)
      for (let round = 0; round < 20; round += 1) {
        const keys = Array.from({ length: 1_000 }, (_, place) => `${lane}/${place}`)
        await commit(
          writer,
          keys.map((key) => ({ topic: ORDERS.name, key, value })),
        )
        largest = Math.max(largest, statSync(join(folder, 'log.sqlite-wal')).size)
      }
    }),
  )
  await counted.done
  controller.abort()
  await Promise.all(following)
  await reader.close()
  expect(largest).toBeLessThan(64_000_000)
}, 60_000)

test('takes nothing more when a stranger holds the write-ahead log, and goes on when it lets go [P9]', async () => {
  const folder = freshFolder()
  const options = {
    folder,
    diskBytesMax: 1_000_000_000,
    walBytesMax: 20_000_000,
    failpoints: NO_FAILPOINTS,
    sinceMs: 0,
  }
  const store = openStore(options)
  onTestFinished(() => store.close())
  const specs = [{ ...REJECTS, id: 'id' }]
  store.run([
    { kind: 'ensure', id: 1, specs, partitions: 1 },
    { kind: 'writer', id: 2, identity: 'w' },
  ])
  const append = () => {
    const record = { part: 0, key: null, headers: null, value: new Uint8Array(900_000) }
    const packed = pack([record, record])
    const [result] = store.run([{ kind: 'transact', id: 3, writer: 1, time: 0, packed, positions: [] }])
    store.maintain()
    return result
  }
  const stranger = new DatabaseSync(join(folder, 'log.sqlite'), { readOnly: true })
  stranger.exec('BEGIN; SELECT * FROM records')
  let result = append()
  for (let round = 0; round < 20 && result?.kind === 'committed'; round += 1) result = append()
  expect(result).toMatchObject({
    kind: 'refused',
    retryable: true,
    reason: expect.stringMatching(/read transaction/),
  })
  expect(statSync(join(folder, 'log.sqlite-wal')).size).toBeLessThan(25_000_000)
  stranger.exec('COMMIT')
  stranger.close()
  expect(append()).toMatchObject({ kind: 'committed' })
}, 30_000)

test('a commit that fails leaves a transaction unknown, and refuses what shared its commit [P10 F18]', () => {
  let isBroken = false
  const failpoints = {
    hit(name: string) {
      if (isBroken && name === 'log.after-commit') throw new Error('disk I/O error')
    },
  }
  const store = openStore({ folder: freshFolder(), diskBytesMax: 1_000_000_000, failpoints, sinceMs: 0 })
  onTestFinished(() => store.close())
  store.run([
    { kind: 'ensure', id: 1, specs: [{ ...ORDERS, id: 'id' }], partitions: 1 },
    { kind: 'writer', id: 2, identity: 'w' },
  ])
  isBroken = true
  const packed = pack([{ part: 0, key: Buffer.from('k'), headers: null, value: new Uint8Array(10) }])
  const results = store.run([
    { kind: 'transact', id: 3, writer: 1, time: 0, packed, positions: [] },
    { kind: 'prune', id: 4, part: 0, before: 1 },
  ])
  expect(results).toMatchObject([{ kind: 'unknown' }, { kind: 'failed', code: 'LOG_STOPPED' }])
})

test('serves several threads at once, each with its own connection', async () => {
  const folder = freshFolder()
  const log = await openLog({ folder })
  const lanes = ['lane-a', 'lane-b']
  const found = lanes.map((lane) => {
    const { descriptor, port } = log.connect()
    const worker = new Worker(new URL('./embedded-thread.ts', import.meta.url), {
      workerData: { descriptor, lane },
      transferList: [port],
    })
    return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  })
  expect(await Promise.all(found)).toEqual([50, 50])
  const numbers = Array.from({ length: 50 }, (_, place) => String(place + 1))
  const records = await readTopic(log, ORDERS, PARTITIONS)
  for (const lane of lanes) expect(records.filter(({ key }) => key === lane).map(textOf)).toEqual(numbers)
}, 30_000)

test('has at most some megabytes under way, lets the rest wait, and lets what waits be stopped', async () => {
  const log = await openLog({ folder: freshFolder() })
  const writers = await Promise.all(Array.from({ length: 12 }, (_, place) => log.writer(`w${place}`, NEVER)))
  const controller = new AbortController()
  const stop = new Error('stop')
  const large = { records: Array.from({ length: 5 }, () => order('large', 'x'.repeat(900_000))) }
  const answers = writers.map((writer) => writer.transact(large, controller.signal))
  await answers[0]
  controller.abort(stop)
  const kinds = await Promise.all(
    answers.map((answer) =>
      answer.then(
        ({ kind }) => kind,
        (error: unknown) => (error === stop ? 'stopped before it was sent' : String(error)),
      ),
    ),
  )
  // What was sent can no longer be taken back; what waited for room was never sent.
  const sent = kinds.filter((kind) => kind === 'committed' || kind === 'unknown').length
  expect(kinds.filter((kind) => kind === 'stopped before it was sent')).toHaveLength(writers.length - sent)
  expect(sent).toBeLessThan(5)
  const probe = await log.writer('probe', NEVER)
  await commit(probe, [order('probe')])
  const records = await readTopic(log, ORDERS, PARTITIONS)
  expect(records.filter(({ key }) => key === 'large')).toHaveLength(sent * 5)
}, 30_000)

test('lets all that is in one group but cannot be written alone, and the rest be written', async () => {
  const log = await openLog({ folder: freshFolder(), diskMaxBytes: 3_000_000 })
  const names = Array.from({ length: 8 }, (_, place) => `w${place}`)
  const writers = await Promise.all(names.map((name) => log.writer(name, NEVER)))
  const answers = await Promise.all(
    writers.map((writer, place) => {
      const tooMuch = 'x'.repeat(950_000)
      const records =
        place === 3 ? Array.from({ length: 4 }, () => order('w3', tooMuch)) : [order(`w${place}`)]
      return writer.transact({ records }, NEVER)
    }),
  )
  expect(answers.map(({ kind }) => kind)).toEqual(
    names.map((name) => (name === 'w3' ? 'refused' : 'committed')),
  )
  const keys = (await readTopic(log, ORDERS, PARTITIONS)).map(({ key }) => key)
  expect(keys.sort()).toEqual(names.filter((name) => name !== 'w3'))
})

test('prunes a log that is full, and so makes room [P9 F17]', async () => {
  const log = await openLog({ folder: freshFolder(), diskMaxBytes: 3_000_000 })
  const writer = await log.writer('w', NEVER)
  const records = Array.from({ length: 3_000 }, (_, place) => order(`key-${place}`, 'x'.repeat(300)))
  let kind = 'committed'
  while (kind === 'committed') kind = (await writer.transact({ records }, NEVER)).kind
  const small = { records: records.slice(0, 1) }
  while ((await writer.transact(small, NEVER)).kind === 'committed') kind = 'refused'
  expect(kind).toBe('refused')
  expect(await log.prune(runtime.wall() + ORDERS.keepMs * 2, NEVER)).toBeGreaterThan(1_000)
  expect(await writer.transact({ records }, NEVER)).toMatchObject({ kind: 'committed' })
})

test('keeps the newest record of both of two keys that look the same to retention', async () => {
  const log = await openLog({ folder: freshFolder(), partitions: 1 })
  const writer = await log.writer('w', NEVER)
  // Found by search: SHA-256 of these two begins with the same 48 bits.
  const keys = ['order-18388720', 'order-38511392']
  for (const value of ['1', '2']) {
    await commit(
      writer,
      keys.map((key) => order(key, value)),
    )
  }
  await log.prune(runtime.wall() + ORDERS.keepMs * 2, NEVER)
  const records = await readTopic(log, ORDERS, 1)
  expect(records.map((record) => [record.key, textOf(record)])).toEqual(keys.map((key) => [key, '2']))
})

test('refuses more partitions than it can count, and goes on', async () => {
  const log = await openLog({ folder: freshFolder(), partitions: 4_000 })
  const tooMany = log.ensure([{ ...ORDERS, name: 'one.too.many' }], NEVER)
  await expect(tooMany).rejects.toMatchObject({
    code: 'LOG_MISUSED',
    message: expect.stringMatching(/8192 are/),
  })
  const writer = await log.writer('w', NEVER)
  await commit(writer, [order('a')])
})

test('takes no position for lost that a group never had, while other groups get their first', async () => {
  const folder = freshFolder()
  const log = await openLog({ folder })
  const writer = await log.writer('w', NEVER)
  const reader = openEmbeddedReader({ folder, runtime })
  const at = { topic: ORDERS.name, partition: 0 }
  for (let number = 0; number < 60; number += 1) {
    let isCommitting = true
    const positions = [{ group: `group-${number}`, position: 1, ...at }]
    const committing = writer.transact({ records: [], positions }, NEVER).finally(() => {
      isCommitting = false
    })
    while (isCommitting) {
      for (let round = 0; round < 50; round += 1)
        expect(await reader.position('nobody', at, NEVER)).toBe(null)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await committing).toMatchObject({ kind: 'committed' })
  }
  await reader.close()
}, 60_000)

test('tells when the thread that writes has died, and takes nothing more [P10]', async () => {
  const died = Promise.withResolvers<string>()
  const folder = freshFolder()
  const log = await openLog({ folder })
  await log.close()
  const dying = await openLog({
    folder,
    failpoint: { name: 'log.before-commit', nth: 2, ends: 'thread' },
    failed: ({ code }) => died.resolve(code),
  })
  const writer = await dying.writer('w', NEVER)
  const idle = await dying.writer('idle', NEVER)
  expect(await writer.transact({ records: [order('a')] }, NEVER)).toMatchObject({ kind: 'unknown' })
  expect(await died.promise).toBe('LOG_STOPPED')
  expect(await idle.transact({ records: [order('b')] }, NEVER)).toMatchObject({
    kind: 'refused',
    retryable: true,
  })
  await expect(dying.writer('w', NEVER)).rejects.toMatchObject({ code: 'LOG_STOPPED' })
  expect(await readTopic(dying, ORDERS, PARTITIONS)).toEqual([])
})

async function openLog(options: Partial<EmbeddedLogOptions> & { folder: string }): Promise<EmbeddedLog> {
  const defaults = { runtime, partitions: PARTITIONS, diskMaxBytes: 1_000_000_000 }
  const log = await createEmbeddedLog({ ...defaults, ...options })
  onTestFinished(() => log.close())
  await log.ensure([ORDERS, REJECTS], NEVER)
  return log
}

/** Counts what several followers get, and tells when it is enough. */
function counter(enough: number): Readonly<{
  done: Promise<void>
  follow(chunks: AsyncIterable<Chunk>): Promise<void>
}> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let count = 0
  return {
    done: promise,
    async follow(chunks) {
      for await (const { records } of chunks) {
        count += records.length
        if (count >= enough) resolve()
      }
    },
  }
}

function freshFolder(): string {
  const base = mkdtempSync(join(tmpdir(), 'erpgw-log-'))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  return join(base, 'log')
}
