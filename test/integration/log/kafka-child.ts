import { writeSync } from 'node:fs'
import type { KafkaClientName } from '../../../gateway/log/kafka.ts'
import type { TopicSpec } from '../../../gateway/log/port.ts'
import { plainKafka } from '../../kit/plain-kafka.ts'

export const TOPIC: TopicSpec = { name: 'erp.payment.v1', cleanup: 'compact', keepMs: 10 ** 12 }
export const IDENTITY = 'gateway.erp.payments'

export type ChildTask = Readonly<{
  client: KafkaClientName
  address: string
  prefix: string
  /** Where the process gets the signal: between its first transaction and its second, or in the second before its commit. */
  at: 'between' | 'inside'
  signal: 'SIGSTOP' | 'SIGKILL'
}>

/**
 * A process that stops, or dies, beside or inside its second transaction. Each step is a line: `committed` after the
 * first, `signal` right before the signal, then the kind of the second's answer.
 */
async function live({ client, address, prefix, at, signal }: ChildTask): Promise<void> {
  const end = () => {
    writeSync(1, 'signal\n')
    process.kill(process.pid, signal)
  }
  let commits = 0
  const log = plainKafka(client, address, {
    prefix,
    failpoints: {
      hit(name) {
        if (name !== 'log.before-commit') return
        commits += 1
        if (commits === 2 && at === 'inside') end()
      },
    },
  })
  const never = new AbortController().signal
  await log.ensure([TOPIC], never)
  const writer = await log.writer(IDENTITY, never)
  const put = (value: string) =>
    writer.transact({ records: [{ topic: TOPIC.name, key: 'k', value: Buffer.from(value) }] }, never)
  writeSync(1, `${(await put('first')).kind}\n`)
  if (at === 'between') end()
  const answer = await put('zombie')
  writeSync(1, `${answer.kind}\n`)
  await log.close()
}

const [, script = '', task] = process.argv
if (task !== undefined && import.meta.url.endsWith(script.split('/').at(-1) ?? '')) {
  await live(JSON.parse(task))
}
