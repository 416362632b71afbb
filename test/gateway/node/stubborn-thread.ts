import { parentPort } from 'node:worker_threads'
import type { ThreadCommand, ThreadReport } from '../../../gateway/node/threads.ts'

/** A source's thread that behaves as the name of its source says. */
const tell = (report: ThreadReport) => parentPort?.postMessage(report)

parentPort?.on('message', (command: ThreadCommand) => {
  if (command.kind === 'request') {
    tell({ kind: 'answer', id: command.id, value: command.source })
    return
  }
  if (command.kind === 'start' && command.source === 'crashing') process.exit(7)
  if (command.kind === 'start' && command.source === 'throwing') throw new Error('a bug in an adapter')
  if (command.kind !== 'stop') return
  if (command.source === 'burning') for (;;);
  if (command.source === 'obedient') tell({ kind: 'ended', source: command.source, reason: null })
})
