import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { createEmbeddedLog, openEmbeddedReader } from '../../../gateway/log/embedded.ts'
import type { LogRecord } from '../../../gateway/log/port.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { NEVER, readTopic, textOf } from '../../kit/log-contract-steps.ts'
import { seededRandom } from '../../kit/random.ts'
import { HISTORY, LANES, PARTITIONS, progressOf, STATE } from './embedded-child.ts'

const runtime = createRuntime()

test('loses nothing and halves nothing when it is killed at its failpoints [P1 P2 F1]', async () => {
  const folder = freshFolder()
  const acknowledged = new Map<string, number>()
  for (const step of ['log.before-commit', 'log.after-commit']) {
    for (const nth of [1, 6]) {
      const child = startChild(folder, `${step}:${nth}`)
      await child.readUntil(() => false)
      expect(child.signal()).toBe('SIGKILL')
      child.note(acknowledged)
      await checkWhole(folder, acknowledged)
    }
  }
}, 60_000)

test('loses nothing and halves nothing when it is killed at any time under load [P1 P2 F1]', async () => {
  const folder = freshFolder()
  const acknowledged = new Map<string, number>()
  const random = seededRandom('embedded-crash')
  for (let round = 0; round < 6; round += 1) {
    const child = startChild(folder, '-', round % 2 === 0 ? 300 : 10_000)
    const lines = 1 + Math.floor(random.float() * 150)
    await child.readUntil((count) => count > lines)
    await child.kill()
    child.note(acknowledged)
    await checkWhole(folder, acknowledged)
  }
  expect([...acknowledged.values()].every((number) => number > 6)).toBe(true)
}, 60_000)

test('lets one process write, tells who it is, and takes over from a dead one', async () => {
  const folder = freshFolder()
  const child = startChild(folder)
  await child.readUntil((count) => count > 5)
  const opening = createEmbeddedLog({ folder, runtime, partitions: PARTITIONS, diskMaxBytes: 10 ** 9 })
  await expect(opening).rejects.toMatchObject({
    code: 'LOG_HELD',
    message: expect.stringMatching(new RegExp(`Process ${child.pid} has held .* since 20\\d\\d-`)),
  })
  await child.kill()
  const log = await createEmbeddedLog({ folder, runtime, partitions: PARTITIONS, diskMaxBytes: 10 ** 9 })
  await log.close()
}, 30_000)

test('lets another process read and follow beside the writing one', async () => {
  const folder = freshFolder()
  const child = startChild(folder)
  await child.readUntil((count) => count > 10)
  const reader = openEmbeddedReader({ folder, runtime })
  onTestFinished(() => reader.close())
  const { group, ...at } = progressOf('lane-0')
  const progress = (await reader.position(group, at, NEVER)) ?? 0
  const seen: number[] = []
  const controller = new AbortController()
  for await (const { records } of reader.follow(at, 0, controller.signal)) {
    seen.push(
      ...records.filter(({ key }) => key === 'lane-0').map((record) => Number(textOf(record)?.trim())),
    )
    if (seen.length > progress + 20) controller.abort()
  }
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, place) => place + 1))
  expect((await reader.topics()).map(({ name }) => name)).toEqual([HISTORY.name, STATE.name])
  await child.kill()
}, 30_000)

test('stops after a failed write, tells what is unknown, and is whole when opened again [P10 F18]', async () => {
  const folder = freshFolder()
  // A limit on the size of files (in KiB) makes the operating system fail a write in the middle of a commit.
  const child = startChild(folder, '-', 10_000, 1_000)
  await child.ended
  const acknowledged = new Map<string, number>()
  child.note(acknowledged)
  const answers = child.lines().slice(1)
  const firstFailure = answers.findIndex((line) => line.startsWith('! '))
  expect(firstFailure).toBeGreaterThan(0)
  // The lanes, and the pruning beside them, which may share the commit that fails.
  const failures = answers.slice(firstFailure)
  expect(failures).toHaveLength(LANES.length + 1)
  const said = /^! (\{"kind":"(unknown|refused)".*|LogError: The log has stopped .*)disk I\/O error/
  for (const line of failures) expect(line).toMatch(said)
  await checkWhole(folder, acknowledged)
}, 30_000)

/** Everything acknowledged is there, at most one more transaction of each lane is, and none is there by half. */
async function checkWhole(folder: string, acknowledged: Map<string, number>): Promise<void> {
  const log = await createEmbeddedLog({ folder, runtime, partitions: PARTITIONS, diskMaxBytes: 10 ** 9 })
  try {
    await log.ensure([HISTORY, STATE], NEVER)
    const history = Map.groupBy(await readTopic(log, HISTORY, PARTITIONS), ({ key }) => key)
    const states = Map.groupBy(await readTopic(log, STATE, PARTITIONS), ({ key }) => key)
    for (const lane of LANES) {
      const { group, ...at } = progressOf(lane)
      const number = (await log.position(group, at, NEVER)) ?? 0
      const known = acknowledged.get(lane) ?? 0
      expect([known, known + 1]).toContain(number)
      const numbers = Array.from({ length: number }, (_, place) => place + 1)
      expect(numbersOf(history.get(lane))).toEqual(numbers)
      expect(numbersOf(history.get(`${lane}/second`))).toEqual(numbers)
      expect(numbersOf(states.get(lane)).at(-1) ?? 0).toBe(number)
      acknowledged.set(lane, number)
    }
  } finally {
    await log.close()
  }
}

function numbersOf(records: readonly LogRecord[] = []): readonly number[] {
  return records.map((record) => Number(textOf(record)?.trim()))
}

type Child = Readonly<{
  pid: number
  ended: Promise<void>
  lines(): readonly string[]
  /** Reads until enough was said, or the process has ended. */
  readUntil(isEnough: (count: number, line: string) => boolean): Promise<void>
  /** kill -9, and waits until it is dead and all that it said is read. */
  kill(): Promise<void>
  signal(): NodeJS.Signals | null
  /** Raises what is known to be committed; nothing that it said may be less than that. */
  note(acknowledged: Map<string, number>): void
}>

function startChild(folder: string, failpoint = '-', partBytes = 300, fileKibMax?: number): Child {
  const script = join(import.meta.dirname, 'embedded-child.ts')
  const args = [script, folder, failpoint, String(partBytes)]
  const child: ChildProcess =
    fileKibMax === undefined
      ? spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('sh', ['-c', `ulimit -f ${fileKibMax * 2} && exec "$0" "$@"`, process.execPath, ...args], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
  const lines: string[] = []
  let heard: (line: string) => void = () => undefined
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  onTestFinished(() => void child.kill('SIGKILL'))
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      heard(line)
    })
  }
  return {
    pid: child.pid ?? 0,
    ended,
    lines: () => lines,
    readUntil: (isEnough) =>
      Promise.race([
        ended,
        new Promise<void>((resolve) => {
          heard = (line) => {
            if (isEnough(lines.length, line)) resolve()
          }
        }),
      ]),
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    signal: () => child.signalCode,
    note(acknowledged) {
      for (const [lane = '', number = ''] of lines.map((line) => line.split(' '))) {
        if (!LANES.includes(lane)) continue
        expect(Number(number)).toBe((acknowledged.get(lane) ?? 0) + 1)
        acknowledged.set(lane, Number(number))
      }
    },
  }
}

function freshFolder(): string {
  const base = mkdtempSync(join(tmpdir(), 'erpgw-log-'))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  return join(base, 'log')
}
