import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { ADAPTERS } from '../../../adapters/registry.ts'
import { explainConfig } from '../../../gateway/config/explain.ts'
import { loadConfig } from '../../../gateway/config/load.ts'
import { loadLanguage } from '../../../gateway/language.ts'
import { mistakesText } from '../../../gateway/mapping/mistake.ts'
import { createFiles } from '../../../gateway/node/files.ts'
import { createSecrets } from '../../../gateway/node/secrets.ts'
import type { Files } from '../../../gateway/ports.ts'

const ROOT = join(import.meta.dirname, '../../..')
const STARTER = join(ROOT, 'schemas/starter/gateway.yaml')

/** With the real adapters, mappings, templates, conditions and secrets: what the user's first `erpgw check` sees. */
function loadStarter(environment: Readonly<Record<string, string>>, files: Files = createFiles()) {
  return loadConfig({
    path: STARTER,
    files,
    secrets: createSecrets({ environment, userId: null, onRead: () => undefined }),
    environmentCheck: true,
    adapters: ADAPTERS,
    knowledge: loadLanguage(createFiles(), ROOT).knowledge,
  })
}

const ENVIRONMENT = {
  ERP_DB_PASSWORD: 'canary-1',
  DT_CLIENT_ID: 'canary-2',
  DT_CLIENT_SECRET: 'canary-3',
  DT_ROBOT_CODE: 'canary-4',
  DT_PURCHASING_WEBHOOK: 'canary-5',
  DT_PURCHASING_SECRET: 'canary-6',
}

test('the starter config has no mistakes and nothing to point out once its secrets are set', () => {
  const loaded = loadStarter(ENVIRONMENT)
  expect('mistakes' in loaded ? mistakesText(loaded.mistakes) : mistakesText(loaded.notices)).toBe('')
})

test('the starter config lacks its secrets, and nothing else, before they are set', () => {
  const loaded = loadStarter({})
  if (!('mistakes' in loaded)) throw new Error('The secrets were not missed.')
  expect(loaded.mistakes.map(({ message }) => message)).toEqual(
    Object.keys(ENVIRONMENT).map(
      (name) => `the environment has no ${name}; set it before the gateway starts`,
    ),
  )
})

test('explaining the starter config shows no secret, and gives the same config again', () => {
  const loaded = loadStarter(ENVIRONMENT)
  if ('mistakes' in loaded) throw new Error(mistakesText(loaded.mistakes))
  const explained = explainConfig(loaded, ADAPTERS)
  expect(explained).not.toContain('canary')
  expect(explained).toContain('statementTimeout: 20s # default\n')
  const again = loadStarter(ENVIRONMENT, {
    read: (path) => (path === STARTER ? explained : null),
    list: (path) => (path === dirname(STARTER) ? [] : null),
  })
  expect('mistakes' in again ? mistakesText(again.mistakes) : again.config).toEqual(loaded.config)
})
