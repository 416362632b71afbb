import { defineConfig } from 'vitest/config'

// `quick` needs nothing; `real` and `alone` need services that scripts/services.ts brings up. No module of ours keeps
// state, so files of `quick` share a process: a third less work than a process for each. Real tests mostly wait for other
// programs, so that two files run side by side; what measures time runs alone.
const ALONE = ['test/integration/isolation.itest.ts']

export default defineConfig({
  test: {
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          testTimeout: 20_000,
          isolate: false,
          maxWorkers: '100%',
        },
      },
      {
        extends: true,
        test: {
          name: 'real',
          globalSetup: ['test/kit/services-setup.ts'],
          include: ['test/**/*.itest.ts', 'test/**/*.atest.ts'],
          exclude: ALONE,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'alone',
          globalSetup: ['test/kit/services-setup.ts'],
          include: ALONE,
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
