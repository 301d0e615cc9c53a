// The public names of @runctl/testing.

// The audit: what the far side knows against what was promised.
export { type AuditLimits, audit } from "./audit/audit.ts";
export { type AuditedState, type AuditedWorld, collectFacts, fingerprints } from "./audit/collect-facts.ts";
export type {
  AuditFacts,
  CheckpointFacts,
  MachineFacts,
  RunFacts,
  TouchFacts,
  TrainingFacts,
  VolumeFacts,
} from "./audit/facts.ts";
export type { AuditReport, BrokenPromise, MoneyAudit } from "./audit/report.ts";
export { ProcessClock } from "./clock/process-clock.ts";
export { SeededRandom } from "./clock/seeded-random.ts";
export { StuckError } from "./clock/stuck-error.ts";
export { VirtualClock } from "./clock/virtual-clock.ts";
export type { BillingRules } from "./cloud/billing-rules.ts";
export type { ClientOptions } from "./cloud/client.ts";
export type { BetweenSteps, PurchaseStep } from "./cloud/client-parts.ts";
export type { CloudEvent } from "./cloud/cloud-events.ts";
export type { Hang as MachineHang } from "./cloud/cloud-machine.ts";
export {
  DEFAULT_REGIONS,
  DEFAULT_TYPES,
  type EmulatedCloudOptions,
  type ListingOptions,
  type MachineTypeOptions,
  type PoolOptions,
  type SpotOptions,
  type Tagging,
  type TransitionOptions,
} from "./cloud/cloud-options.ts";
export { EC2_LIKE, LYCEUM_LIKE, RUNPOD_LIKE } from "./cloud/cloud-presets.ts";
export type { VolumeTruth } from "./cloud/cloud-volume.ts";
export { type CloudWorld, EmulatedCloud, emulatedCloud } from "./cloud/emulated-cloud.ts";
export type { CallFacts, CloudOp, Fault as CloudFault, FaultDetail, FaultKind as CloudFaultKind, FaultRule } from "./cloud/faults.ts";
export type { Invoice, InvoiceLine } from "./cloud/invoice.ts";
export type { MachineContext, MachineHost, MachineHostFactory, MachineNotice } from "./cloud/machine-host.ts";
export type { MachinePlan } from "./cloud/machine-plan.ts";
export type { CutKind, CutOptions, Link } from "./cloud/network.ts";
export type { CapacitySchedule, PriceSchedule, TraceUse } from "./cloud/schedules.ts";
export { type PriceChange, parsePriceChanges, parseTrace, type Trace } from "./cloud/trace.ts";
export type { MachineTruth } from "./cloud/truth.ts";
// Conformance suites.
export { CannotSay, type CaseStatus, type ConformanceCase, type Need } from "./conformance/case.ts";
export { ConformanceContext } from "./conformance/context.ts";
export type { ConformanceHooks, FaultHook, FaultKind, FaultOperation, Interruption } from "./conformance/hooks.ts";
export type { ConformanceModule } from "./conformance/load-subject.ts";
export { type ObjectStoreSubject, objectStoreCases, runObjectStoreConformance, testObjectStore } from "./conformance/object-store.ts";
export type { ConformanceLimits, ConformanceOptions, ProviderFactory, ProviderSubject } from "./conformance/options.ts";
export { playback, recordingDrift } from "./conformance/playback.ts";
export { providerCases } from "./conformance/provider-cases.ts";
export { parseRecording, type Recording, recordingSchema, recordProvider } from "./conformance/recording.ts";
export {
  type CaseResult as ConformanceCaseResult,
  type ConformanceReport,
  type ProviderClass,
  parseReport,
  reportSchema,
} from "./conformance/report.ts";
export { runConformance } from "./conformance/run-conformance.ts";
export type { TestFunctions } from "./conformance/runner.ts";
export { runStateStoreConformance, type StateStoreSubject, stateStoreCases, testStateStore } from "./conformance/state-store.ts";
export type {
  StoreCase,
  StoreConformanceOptions,
  StoreFactory,
  StoreSubject,
  TestStoreOptions,
} from "./conformance/store-suite.ts";
export { reportText } from "./conformance/table.ts";
export { type TestProviderOptions, testProvider } from "./conformance/test-provider.ts";
// The explorer: death at every boundary.
export { SCENARIOS, scenarioNamed } from "./explore/all-scenarios.ts";
export { type CaseStep, type ExplorerCase, formatCaseId, type KillVariant, parseCaseId } from "./explore/case-id.ts";
export type { CaseResult, RunCase } from "./explore/case-result.ts";
export type { TracePoint } from "./explore/enumerate.ts";
export { type CaseKind, type ExplorationReport, formatReport, type Spread } from "./explore/exploration-report.ts";
export { type ExploreOptions, explore, SAMPLE } from "./explore/explore.ts";
export { caseRunner, replayCase } from "./explore/run-case.ts";
export type { Scenario, ScenarioEnd, Stage } from "./explore/scenario.ts";
// Random programs over whole runs, and budgets under simulation.
export { type BudgetCase, budgetCase } from "./fuzz/budget-case.ts";
export { type FuzzOptions, type FuzzReport, fuzz, replayFuzz } from "./fuzz/fuzz.ts";
export type { FuzzAction, FuzzDeed, FuzzFaultKind, FuzzFaultOp, FuzzMarket, FuzzProgram, FuzzSpec } from "./fuzz/program.ts";
export type { FuzzOutcome } from "./fuzz/run-program.ts";
export { type BudgetOutcome, MAX_OVERSHOOT, simulateBudget } from "./fuzz/simulate-budget.ts";
export type { AgentFaults, Job, JobCircumstances, JobModel, TornHow } from "./hosts/job-model.ts";
export { ProcessHost, type ProcessHostOptions, type ProcessHosts, processHooks, processHost } from "./hosts/process-host.ts";
export { simulatedHooks } from "./hosts/simulated-hooks.ts";
export { type Hang, SimulatedHost, type SimulatedHostOptions, type SimulatedHosts, simulatedHost } from "./hosts/simulated-host.ts";
export { HostRecords, type Refusal, type Training } from "./hosts/trainings.ts";
// Replay: a recorded run under other choices.
export type { PriceCurve, ReplayJob, ReplayMarket, ReplayOptions, ReplayPolicy } from "./replay/choices.ts";
export {
  type RecordedAttempt,
  type RecordedCheckpoint,
  type RecordedMachine,
  type RecordedRefusal,
  type RecordedRun,
  recordedRun,
} from "./replay/recorded-run.ts";
export { replay } from "./replay/replay.ts";
export type { ReplayReport, RunFigures } from "./replay/report.ts";
export { type PricedTrace, readTraceFile } from "./replay/spot-trace.ts";
export type { Boundary, KillPlan, ProcessPlan, SleepPlan } from "./world/boundary.ts";
export { Controller } from "./world/controller.ts";
export { type ControllerOptions, World, type WorldOptions } from "./world/world.ts";
export { WorldState } from "./world/world-state.ts";
export { WorldStore } from "./world/world-store.ts";
