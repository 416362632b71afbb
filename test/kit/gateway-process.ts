import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../../gateway/cli/erpgw.mjs', import.meta.url))

/** How an erpgw process ended, and what it printed. */
export type Ended = Readonly<{ code: number | null; signal: string | null; out: string; err: string }>

export type GatewayProcess = Readonly<{
  pid: number
  /** Resolves when the process has ended, however it did. */
  ended: Promise<Ended>
  kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGSTOP' | 'SIGCONT'): void
}>

/** A folder with a config, in which erpgw is run as a process of its own: the whole product, as a user has it. */
export type Installation = Readonly<{
  folder: string
  start(args: readonly string[], environment?: Readonly<Record<string, string>>): GatewayProcess
  /** Runs a command to its end. */
  erpgw(...args: readonly string[]): Promise<Ended>
}>

/** Writes the files (`gateway.yaml`, mappings …) into the folder; `environment` holds the secrets of the config. */
export function installation(
  folder: string,
  files: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string>> = {},
): Installation {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
  }
  const start: Installation['start'] = (args, more = {}) =>
    startProcess(folder, args, { ...process.env, ...environment, ...more })
  return { folder, start, erpgw: (...args) => start(args).ended }
}

function startProcess(
  folder: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): GatewayProcess {
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    cwd: folder,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString()
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, out, err }))
  })
  return { pid: child.pid ?? 0, ended, kill: (signal) => void child.kill(signal) }
}
