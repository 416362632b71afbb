import { parentPort, workerData } from 'node:worker_threads'
import { adapterOf } from '../adapters/registry.ts'
import { Source, type SourcePorts } from './lane/source.ts'
import { VerbRefused } from './lane/verb-refused.ts'
import { loadLanguage } from './language.ts'
import { connectEmbeddedLog } from './log/embedded.ts'
import type { Log } from './log/port.ts'
import { createFiles } from './node/files.ts'
import { isOnKafka, openKafkaLog } from './node/kafka-log.ts'
import { failpointsOf } from './node/kill-failpoints.ts'
import { createProcessNames, createProcessSecrets } from './node/process-ports.ts'
import { createProjections } from './node/projection.ts'
import { createRuntime } from './node/runtime.ts'
import type { ThreadCommand, ThreadReport, ThreadSettings } from './node/threads.ts'
import { createRedactor, redactAll } from './redactor.ts'
import { createTasks, type Logger } from './runtime.ts'
import { sourceOptions } from './wiring.ts'

/**
 * The thread of a source: wires real ports, as `main.ts` does for the main thread, and carries out what that tells it.
 */
const settings = workerData as ThreadSettings
// Events are cut from pieces of this size: in a thread a piece costs as much as filling it (8 kB is Node's own).
Buffer.poolSize = 1 << 18
const sources = new Map<string, Readonly<{ source: Source; stopping: AbortController }>>()

const tell = (report: ThreadReport) => parentPort?.postMessage(report)
// Secrets are read in this thread, so the main thread does not know them: they are taken out before anything crosses.
const redactor = createRedactor()
const report = (level: 'info' | 'warn' | 'error') => (message: string, fields: object) =>
  tell({ kind: 'log', level, message: redactor.redact(message), fields: redactAll(redactor, fields) })
const logger: Logger = { info: report('info'), warn: report('warn'), error: report('error') }
const runtime = createRuntime()
const files = createFiles()
const secrets = createProcessSecrets(redactor)
const names = createProcessNames(settings.config)
const failpoints = failpointsOf(settings.failpoint)
const ports: SourcePorts = {
  runtime,
  logger,
  tasks: createTasks(({ owner, name }, error) => {
    logger.error('A task failed.', { owner, task: name, reason: textOf(error) })
  }),
  failpoints,
  log: openLog(settings),
  projections: createProjections(`${settings.config.data}/projections`),
  secrets,
  names,
}
const language = loadLanguage(files, settings.packageFolder)

// What nobody catches (a driver's own timer) would reach the main thread as it is, secrets in it.
process.on('uncaughtException', (error) => {
  logger.error('A bug ended the thread.', { reason: error.message, stack: error.stack ?? null })
  for (const source of sources.keys()) tell({ kind: 'ended', source, reason: textOf(error) })
  process.exit(1)
})

parentPort?.on('message', (command: ThreadCommand) => {
  switch (command.kind) {
    case 'start':
      start(command)
      return
    case 'stop':
      sources.get(command.source)?.stopping.abort()
      return
    case 'request':
      void answer(command)
  }
})

function start({ source: name, mode }: Extract<ThreadCommand, { kind: 'start' }>): void {
  try {
    const stopping = new AbortController()
    const options = sourceOptions(settings.config, name, adapterOf, language, ports)
    const source = new Source(options, stopping.signal)
    sources.set(name, { source, stopping })
    source.run(mode).then(
      () => tell({ kind: 'ended', source: name, reason: null }),
      (error: unknown) => tell({ kind: 'ended', source: name, reason: textOf(error) }),
    )
  } catch (error) {
    tell({ kind: 'ended', source: name, reason: textOf(error) })
  }
}

async function answer({ id, source, request }: Extract<ThreadCommand, { kind: 'request' }>): Promise<void> {
  try {
    const running = sources.get(source)
    if (running === undefined) throw new VerbRefused(`Source ${source} is not running.`)
    tell({ kind: 'answer', id, value: redactAll(redactor, await running.source.request(request)) })
  } catch (error) {
    const isVerbRefused = error instanceof VerbRefused
    tell({ kind: 'refused', id, message: textOf(error), isVerbRefused })
  }
}

/** To the writer of this process, or to Kafka by connections of this thread's own. */
function openLog({ config, log }: ThreadSettings): Log {
  if (log !== null) return connectEmbeddedLog(log, runtime)
  if (!isOnKafka(config)) throw new Error(`A source's thread cannot open the log ${config.log.driver}.`)
  return openKafkaLog(config, { runtime, secrets, names, failpoints })
}

function textOf(error: unknown): string {
  return redactor.redact(error instanceof Error ? error.message : String(error))
}
