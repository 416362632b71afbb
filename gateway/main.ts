import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { adapterOf } from '../adapters/registry.ts'
import { runCommandLine } from './cli/program.ts'
import type { OpenGateway, World } from './cli/world.ts'
import type { Config } from './config/model.ts'
import { serveControl } from './control/protocol.ts'
import { createPublisher } from './dingtalk/publisher.ts'
import { createGateway } from './gateway.ts'
import { Source } from './lane/source.ts'
import type { Language } from './language.ts'
import { createEmbeddedLog, type EmbeddedLog, openEmbeddedReader } from './log/embedded.ts'
import { createMemoryLog } from './log/memory.ts'
import type { Log } from './log/port.ts'
import { askGateway, type ControlServer, controlPath, serveControlSocket } from './node/control-socket.ts'
import { dataFolderProblem, lockDataFolder, makeDataFolder } from './node/data-folder.ts'
import { createFiles } from './node/files.ts'
import { createHttp } from './node/http.ts'
import { isOnKafka, type KafkaConfig, openKafkaLog, openKafkaReader } from './node/kafka-log.ts'
import { failpointsOf, readFailpoint } from './node/kill-failpoints.ts'
import { createLogger } from './node/logger.ts'
import { createProcessNames, createProcessSecrets } from './node/process-ports.ts'
import { createMemoryProjection } from './node/projection.ts'
import { createRuntime } from './node/runtime.ts'
import { createThreadHosts, type ThreadOptions } from './node/threads.ts'
import { createRedactor, redactAll } from './redactor.ts'
import { createTasks, type Failpoints, isAbort, type Logger, NO_FAILPOINTS, type Tasks } from './runtime.ts'
import { feedEntities, sourceOptions } from './wiring.ts'

/** The program: wires real ports to the command line. With `worker.ts` the only file that knows what stands behind them. */
process.umask(0o077)

/** How often what retention lets go of is dropped. */
const PRUNE_EVERY_MS = 600_000

const runtime = createRuntime()
const redactor = createRedactor()
const files = createFiles()
const secrets = createProcessSecrets(redactor)
const packageFolder = findPackage()
const failpoint = readTestFailpoint()
const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    // The second time means now.
    if (stopping.signal.aborted) process.exit(1)
    stopping.abort()
  })
}

process.on('uncaughtException', (error) => {
  processLogger().error('A bug ended the program.', { reason: error.message, stack: error.stack ?? null })
  process.exit(1)
})
// Who reads what is printed may have seen enough (`erpgw events | head`).
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1)
  })
}

const world: World = {
  argv: process.argv.slice(2),
  folder: process.cwd(),
  packageFolder,
  version: packageVersion(),
  user: userInfo().username,
  isTerminal: process.stderr.isTTY === true,
  get columns() {
    // A terminal may be made larger meanwhile; some say 0 where they do not know.
    return process.stderr.columns || 100
  },
  out: (text) => void process.stdout.write(redactor.redact(text)),
  err: (text) => void process.stderr.write(redactor.redact(text)),
  signal: stopping.signal,
  runtime,
  files,
  secrets,
  writeNew(path, text) {
    try {
      writeFileSync(path, text, { flag: 'wx', mode: 0o600 })
      return true
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
      throw error
    }
  },
  folderProblem: dataFolderProblem,
  makeDataFolder,
  ask: (config, request) => askGateway(socketOf(config), request),
  open: openGateway,
  inspect(config, language, source) {
    const ports = {
      runtime,
      logger: processLogger(),
      tasks: createTasks(() => undefined),
      failpoints: NO_FAILPOINTS,
      log: createMemoryLog({ runtime, partitions: 1 }),
      projections: { open: () => createMemoryProjection() },
      secrets,
      names: createProcessNames(config),
    }
    return new Source(sourceOptions(config, source, adapterOf, language, ports), stopping.signal)
  },
  readLog: (config) =>
    isOnKafka(config)
      ? openKafkaReader(config, { runtime, secrets, names: createProcessNames(config) })
      : openEmbeddedReader({ folder: logFolder(config), runtime }),
}

const exitCode = await runCommandLine(world)
// A log that failed ends the gateway as if it had been asked to, and has left its own code.
if (exitCode !== 0 || process.exitCode === undefined) process.exitCode = exitCode
// Drivers may keep sockets open that nobody needs any more.
setTimeout(() => process.exit(), 1_000).unref()

/** The log as this process has it, whatever the driver. */
type OpenLog = Readonly<{ log: Log; connect: ThreadOptions['connectLog']; close(): Promise<void> }>

async function openGateway(config: Config, language: Language): Promise<OpenGateway> {
  const logger = processLogger()
  const failpoints = failpointsOf(failpoint)
  const tasks = createTasks(({ owner, name }, error) => {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    logger.error('A task failed.', { owner, task: name, reason })
  })
  const lock = lockDataFolder(config.data, runtime.wall())
  let opened: OpenLog
  try {
    opened = isOnKafka(config) ? openOnKafka(config, failpoints) : await openEmbedded(config, tasks, logger)
  } catch (error) {
    lock.release()
    throw error
  }
  const { log } = opened
  const names = createProcessNames(config)
  const http = createHttp({ names, runtime })
  const ports = { runtime, tasks, logger, failpoints, log, secrets, redactor, http }
  const templates = language.templates()
  const { compileCondition } = language
  const publisher =
    config.dingtalk === null ? null : createPublisher({ config, ports, templates, compileCondition })
  const hosts = createThreadHosts({ config, packageFolder, connectLog: opened.connect, logger, failpoint })
  const gateway = createGateway({ config, entities: feedEntities(config, language), ports, hosts, publisher })
  let server: ControlServer | null = null
  return {
    gateway,
    logger,
    async serve() {
      server = await serveControlSocket(socketOf(config), async (request) =>
        redactAll(redactor, await serveControl(gateway, request)),
      )
    },
    async close() {
      await server?.close()
      await hosts.close()
      await opened.close()
      lock.release()
    },
  }
}

/** Nothing is connected yet, so that a cluster which is away keeps no gateway from starting. */
function openOnKafka(config: KafkaConfig, failpoints: Failpoints): OpenLog {
  const log = openKafkaLog(config, { runtime, secrets, names: createProcessNames(config), failpoints })
  return { log, connect: () => null, close: () => log.close() }
}

async function openEmbedded(config: Config, tasks: Tasks, logger: Logger): Promise<OpenLog> {
  if (config.log.driver !== 'embedded') throw new Error(`erpgw cannot open the log ${config.log.driver}.`)
  const log = await createEmbeddedLog({
    folder: logFolder(config),
    runtime,
    partitions: config.log.partitions,
    diskMaxBytes: config.log.diskMaxBytes,
    failed: (error) => {
      logger.error('The log failed; the gateway ends.', { reason: error.message })
      stopping.abort()
      process.exitCode = 1
    },
    ...(failpoint === null ? {} : { failpoint }),
  })
  const ending = new AbortController()
  const pruning = tasks.spawn('log', 'prune', ending.signal, (signal) => keepPruning(log, logger, signal))
  return {
    log,
    connect: () => log.connect().descriptor,
    async close() {
      ending.abort()
      await pruning.done
      await log.close()
    },
  }
}

async function keepPruning(log: EmbeddedLog, logger: Logger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await log.prune(runtime.wall(), signal)
    } catch (error) {
      if (isAbort(error, signal)) throw error
      // What was not dropped now is dropped the next time; reading goes on meanwhile.
      const reason = error instanceof Error ? error.message : String(error)
      logger.warn('Old records could not be dropped; it is tried again.', { reason, afterMs: PRUNE_EVERY_MS })
    }
    await runtime.sleep(PRUNE_EVERY_MS, signal)
  }
}

function processLogger(): Logger {
  return createLogger({
    write: (line) => void process.stderr.write(line),
    isTerminal: process.stderr.isTTY === true,
    redactor,
    now: () => runtime.wall(),
  })
}

function logFolder(config: Config): string {
  return join(config.data, 'log')
}

function socketOf(config: Config): string {
  return controlPath(config.data, process.platform, tmpdir())
}

/** The folder with package.json: above `gateway/` in a checkout, above `dist/gateway/` when installed. */
function findPackage(): string {
  const here = fileURLToPath(new URL('.', import.meta.url))
  const candidates = [join(here, '..'), join(here, '..', '..')]
  const found = candidates.find((folder) => files.read(join(folder, 'package.json')) !== null)
  if (found === undefined) throw new Error(`No package.json above ${here}; is erpgw installed whole?`)
  return found
}

function packageVersion(): string {
  const text = readFileSync(join(packageFolder, 'package.json'), 'utf8')
  const { version } = JSON.parse(text) as { version: string }
  return version
}

/** Tests end the process at a step of a protocol. */
function readTestFailpoint() {
  const text = process.env['ERPGW_FAILPOINT']
  return text === undefined || text === '' ? null : readFailpoint(text)
}
