import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import type { EmbeddedLog } from '../../../gateway/log/embedded.ts'
import { createEmbeddedLog, openEmbeddedReader } from '../../../gateway/log/embedded.ts'
import type { LogError, LogErrorCode } from '../../../gateway/log/errors.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { ORDERS } from '../../kit/log-contract.ts'
import { commit, NEVER, order, readTopic, textOf } from '../../kit/log-contract-steps.ts'

const runtime = createRuntime()

test('keeps its folder and files to its own user, whatever the umask is', async () => {
  for (const umask of [0o000, 0o777]) {
    const folder = join(freshBase(), 'data', 'log')
    mkdirSync(join(folder, '..'))
    const before = process.umask(umask)
    try {
      const log = await openLog(folder)
      await writeOne(log, 'a')
      expect(modesIn(folder)).toEqual({
        '.': '700',
        'holder.json': '600',
        lock: '600',
        'log.sqlite': '600',
        'log.sqlite-shm': '600',
        'log.sqlite-wal': '600',
      })
      await log.close()
    } finally {
      process.umask(before)
    }
  }
})

test('refuses a folder or a file that others can get at, and says what to do', async () => {
  const folder = join(freshBase(), 'log')
  mkdirSync(folder, { mode: 0o755 })
  chmodSync(folder, 0o755)
  await expectRefused(folder, 'LOG_FOLDER_UNSAFE', /chmod 700 /)
  chmodSync(folder, 0o700)
  await (await openLog(folder)).close()
  chmodSync(join(folder, 'log.sqlite'), 0o640)
  await expectRefused(folder, 'LOG_FOLDER_UNSAFE', /chmod 600 .*log\.sqlite/)
  expect(() => openEmbeddedReader({ folder, runtime })).toThrow(/chmod 600/)
})

test('refuses a second writer in the same process, and lets one in when the first has closed', async () => {
  const folder = join(freshBase(), 'log')
  const log = await openLog(folder)
  await expectRefused(folder, 'LOG_HELD', new RegExp(`Process ${process.pid} has held`))
  await log.close()
  await (await openLog(folder)).close()
})

test('never begins anew where there was a log [P10]', async () => {
  const folder = await writtenFolder()
  const file = join(folder, 'log.sqlite')
  const whole = readFileSync(file)
  writeFileSync(file, '')
  await expectRefused(folder, 'LOG_CORRUPT', /gone or empty though there was a log/)
  rmSync(file)
  await expectRefused(folder, 'LOG_CORRUPT', /gone or empty though there was a log/)
  expect(() => openEmbeddedReader({ folder, runtime })).toThrow(/no log at/)
  const empty = new DatabaseSync(file)
  empty.exec('VACUUM')
  empty.close()
  chmodSync(file, 0o600)
  await expectRefused(folder, 'LOG_CORRUPT', /gone or empty though there was a log/)
  writeFileSync(file, whole)
  const log = await openLog(folder)
  expect((await readTopic(log, ORDERS, 3)).map(textOf)).toEqual(['a'])
  await log.close()
})

test('refuses a file of another program or version, and leaves it as it is', async () => {
  const folder = await writtenFolder()
  for (const change of ['PRAGMA user_version = 99', 'PRAGMA application_id = 1']) {
    const db = new DatabaseSync(join(folder, 'log.sqlite'))
    db.exec(change)
    db.close()
    await expectRefused(folder, 'LOG_FORMAT_UNKNOWN', /use the version that wrote it/)
  }
  writeFileSync(join(folder, 'log.sqlite'), 'This is a letter and no database. '.repeat(500))
  await expectRefused(folder, 'LOG_CORRUPT', /is damaged/)
})

test('finds damaged pages when it is opened, and takes nothing [P10 F19]', async () => {
  const folder = join(freshBase(), 'log')
  const log = await openLog(folder)
  await log.ensure([ORDERS], NEVER)
  const writer = await log.writer('w', NEVER)
  for (let round = 0; round < 20; round += 1) {
    const records = Array.from({ length: 500 }, (_, place) => order(`${round}/${place}`, 'x'.repeat(100)))
    await commit(writer, records)
  }
  await log.close()
  const file = join(folder, 'log.sqlite')
  const bytes = readFileSync(file)
  bytes.fill(0xee, 100 * 4096, 102 * 4096)
  writeFileSync(file, bytes)
  await expectRefused(folder, 'LOG_CORRUPT', /is damaged.*; restore it from a backup/)
})

test('stops when another process took the file over, before it writes anything [F5 P10]', async () => {
  const folder = join(freshBase(), 'log')
  const failed = Promise.withResolvers<string>()
  const log = await openLog(folder, ({ message }) => failed.resolve(message))
  await writeOne(log, 'a')
  const usurper = new DatabaseSync(join(folder, 'log.sqlite'))
  usurper.exec("UPDATE state SET value = value + 1 WHERE name = 'epoch'")
  usurper.close()
  const writer = await log.writer('w', NEVER)
  const answer = await writer.transact({ records: [order('key', 'b')] }, NEVER)
  expect(answer).toMatchObject({
    kind: 'refused',
    reason: expect.stringMatching(/Another process took over/),
  })
  expect(await failed.promise).toMatch(/Another process took over/)
  expect((await readTopic(log, ORDERS, 3)).map(textOf)).toEqual(['a'])
  await log.close()
})

test('says why it cannot be opened where the disk is full or in the way', async () => {
  const base = freshBase()
  const full = createEmbeddedLog({ folder: join(base, 'full'), runtime, partitions: 3, diskMaxBytes: 4_096 })
  await expect(full).rejects.toMatchObject({
    code: 'LOG_UNAVAILABLE',
    message: expect.stringMatching(/is full/),
  })
  writeFileSync(join(base, 'file'), '')
  await expectRefused(join(base, 'file', 'log'), 'LOG_UNAVAILABLE', /cannot be opened: ENOTDIR/)
})

test('tells a reader that there is no log', () => {
  const folder = join(freshBase(), 'log')
  expect(() => openEmbeddedReader({ folder, runtime })).toThrow(/the folder does not exist/)
})

async function openLog(folder: string, failed?: (error: LogError) => void): Promise<EmbeddedLog> {
  const options = { folder, runtime, partitions: 3, diskMaxBytes: 50_000_000 }
  return await createEmbeddedLog(failed === undefined ? options : { ...options, failed })
}

async function writeOne(log: EmbeddedLog, value: string): Promise<void> {
  await log.ensure([ORDERS], NEVER)
  await commit(await log.writer('w', NEVER), [order('key', value)])
}

async function writtenFolder(): Promise<string> {
  const folder = join(freshBase(), 'log')
  const log = await openLog(folder)
  await writeOne(log, 'a')
  await log.close()
  return folder
}

async function expectRefused(folder: string, code: LogErrorCode, message: RegExp): Promise<void> {
  await expect(openLog(folder)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
}

function modesIn(folder: string): Readonly<Record<string, string>> {
  const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)
  const files = readdirSync(folder).map((name) => [name, mode(join(folder, name))] as const)
  return Object.fromEntries([['.', mode(folder)], ...files])
}

function freshBase(): string {
  const base = mkdtempSync(join(tmpdir(), 'erpgw-log-'))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  return base
}
