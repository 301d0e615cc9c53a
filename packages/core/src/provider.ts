// The contract: what provider packages import.
export type { Capabilities, AccountIdentity, BilledInterval, DoctorFinding, FindQuery, FindResult, HostHooks, HostNotice, ImageBuildRequest, MachineUsage, ProviderImages, ProviderVolumes, TrainingProvider, VolumeInfo, VolumeRequest } from "./provider/provider.ts";
export { defineProvider } from "./provider/define-provider.ts";
export type { ExecOptions, ExecResult, HostSession } from "./provider/host-session.ts";
export type { CreateOutcome, Intent, UnavailablePool, VolumeMount } from "./provider/intent.ts";
export type { Money } from "./provider/money.ts";
export type { HostAccess, ObjectInfo, ObjectStore, PutBody, PutOptions } from "./provider/object-store.ts";
export type { Offer, OfferRequest } from "./provider/offer.ts";
export type { Notice } from "./provider/plan.ts";
export { formatRef, type ForeignOrOtherResource, type Machine, type MachineState, parseRef, type ResourceRef } from "./provider/resource.ts";
export { TAGS } from "./provider/tags.ts";
