import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EmbeddedLog } from '../../../gateway/log/embedded.ts'
import { connectEmbeddedLog, createEmbeddedLog } from '../../../gateway/log/embedded.ts'
import type { Log } from '../../../gateway/log/port.ts'
import type { FailpointSetting } from '../../../gateway/node/kill-failpoints.ts'
import { createRuntime } from '../../../gateway/node/runtime.ts'
import { type LogWorld, REJECTS, testLog } from '../../kit/log-contract.ts'
import { NEVER, write } from '../../kit/log-contract-steps.ts'

testLog('embedded', makeWorld)

async function makeWorld(): Promise<LogWorld> {
  const runtime = createRuntime()
  const base = mkdtempSync(join(tmpdir(), 'erpgw-log-'))
  const options = { folder: join(base, 'log'), runtime, partitions: 3, diskMaxBytes: 20_000_000 }
  let main: EmbeddedLog | null = null
  let users: Log[] = []
  const close = async () => {
    for (const user of users) await user.close()
    await main?.close()
    users = []
    main = null
  }
  const start = async (failpoint?: FailpointSetting) => {
    main = await createEmbeddedLog(failpoint === undefined ? options : { ...options, failpoint })
    return main
  }
  return {
    partitions: 3,
    async open() {
      if (main === null) return await start()
      const user = connectEmbeddedLog(main.connect().descriptor, runtime)
      users.push(user)
      return user
    },
    async restart(lose) {
      await close()
      return await start(lose === undefined ? undefined : { name: `log.${lose}`, nth: 1, ends: 'thread' })
    },
    async fill(log) {
      const record = { topic: REJECTS.name, key: null, value: new Uint8Array(100_000) }
      for (const records of [Array.from({ length: 20 }, () => record), [record]]) {
        for (let kind = 'committed'; kind === 'committed'; )
          kind = (await write(log, 'filler', { records })).kind
      }
      return async () => void (await main?.prune(runtime.wall() + REJECTS.keepMs * 2, NEVER))
    },
    prune: async (afterMs) => void (await main?.prune(runtime.wall() + afterMs, NEVER)),
    async close() {
      await close()
      rmSync(base, { recursive: true, force: true })
    },
  }
}
