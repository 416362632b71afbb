import { defineConfig } from 'vitest/config'

// Two projects: `quick` needs nothing, `real` needs services that scripts/services.ts brings up. No module of ours keeps
// state, so files of `quick` share a process: a third less work than a process for each.
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
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
