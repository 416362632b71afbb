import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { textTable } from '../gateway/cli/text-table.ts'
import type { GatewayStatus } from '../gateway/gateway.ts'
import { askGateway, controlPath } from '../gateway/node/control-socket.ts'
import { startDingTalk } from '../test/lab/dingtalk/server.ts'
import { demoConfig, demoSecrets } from './demo/config.ts'
import { startErp } from './demo/erp.ts'
import { play, type Shown } from './demo/play.ts'
import { ROOT } from './steps.ts'

/**
 * `npm run demo`: a small trading company's ERP, the gateway and DingTalk, in one process tree and with npm packages
 * only. Plays a few scenes; then the page stays until Ctrl-C. With `--script` it checks each scene, prints what it
 * measured and ends, with a code that tells. With `--kafka HOST:PORT` the log is on that broker.
 */
const { values: asked } = parseArgs({ options: { script: { type: 'boolean' }, kafka: { type: 'string' } } })
const isScript = asked.script === true
const folder = mkdtempSync(join(tmpdir(), 'erpgw-demo-'))
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const tell = (line: string) => console.log(line)

tell('Starting the ERP (PostgreSQL in WebAssembly), DingTalk and the gateway …')
const [erp, dingtalk] = await Promise.all([startErp(), startDingTalk()])
const config = join(folder, 'gateway.yaml')
writeFileSync(config, demoConfig(erp, dingtalk.origin, asked.kafka ?? null))
const gateway = startGateway()
tell(`DingTalk as on a phone:  ${dingtalk.origin}/`)
tell(`The gateway's folder:    ${folder}\n`)

let shown: readonly Shown[] = []
try {
  shown = await play({ erp, outbox: dingtalk.outbox, loaded, now: () => performance.now(), wait, tell })
  if (!isScript) {
    tell('\nThe page stays up; Ctrl-C ends the demo.')
    await new Promise<void>((resolve) => process.once('SIGINT', () => resolve()))
  }
} finally {
  gateway.kill('SIGTERM')
  await new Promise((resolve) => gateway.once('close', resolve))
  await Promise.all([dingtalk.close(), erp.close()])
  rmSync(folder, { recursive: true, force: true })
}
if (isScript) process.exit(summary(shown))
process.exit(0)

function startGateway() {
  const child = spawn(process.execPath, [join(ROOT, 'gateway', 'cli', 'erpgw.mjs'), 'run'], {
    cwd: folder,
    env: { ...process.env, ...demoSecrets(dingtalk.origin) },
    // Ctrl-C in a terminal reaches the child as well; we end it ourselves.
    detached: process.platform !== 'win32',
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  // Its own lines are of interest only when something is wrong.
  child.stderr.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n')) {
      if (line.includes('"level":"error"') || line.includes('"level":"warn"')) tell(line)
    }
  })
  child.once('exit', (code) => {
    if (code !== 0 && code !== null) tell(`The gateway ended with code ${code}.`)
  })
  return child
}

/** Rows by feed, when every first load is complete. */
async function loaded(): Promise<Readonly<Record<string, number>> | null> {
  const answer = await askGateway(controlPath(join(folder, 'data'), process.platform, tmpdir()), {
    verb: 'status',
  })
  if (answer === null || !answer.ok) return null
  const status = answer.value as unknown as GatewayStatus
  const lanes = status.sources.flatMap((source) => source.lanes)
  if (lanes.length === 0 || lanes.some((lane) => lane.phase !== 'live')) return null
  return Object.fromEntries(lanes.map((lane) => [lane.feed, lane.rows?.live ?? 0]))
}

function summary(scenes: readonly Shown[]): number {
  const rows = scenes.map(({ step, expected, seen, ok, delayMs }) => [
    ok ? 'ok' : 'FAILED',
    step,
    expected,
    seen,
    delayMs === null ? '–' : `${(delayMs / 1_000).toFixed(2)} s`,
  ])
  tell(`\n${textTable(['', 'IN THE ERP', 'EXPECTED', 'SEEN', 'AFTER'], rows)}`)
  const isWell = scenes.length > 0 && scenes.every(({ ok }) => ok)
  tell(isWell ? 'The demo went well.' : 'The demo failed.')
  return isWell ? 0 : 1
}
