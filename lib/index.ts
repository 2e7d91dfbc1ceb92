export {
  RewardModelScore,
  type LoadOptions,
  type ScoredRow,
  type ScoreOptions,
} from "./reward-model-score.js";
export type { RewardModelScoreOptions } from "./options.js";
export { RewardModelScoreError, type ErrorCode, type ErrorDetails, type RowProblem } from "./errors.js";
export type { LoadProgress } from "./model/open-model.js";
export type { DownloadProgress } from "./hub/progress.js";
export type { DeviceMap } from "./device-map/infer.js";
export type { Device } from "./device-map/limits.js";
export type { ReplicaState } from "./scoring/replicas.js";
export type { ScoringProgress } from "./scoring/scorer.js";
export type { Attributes, Score } from "./scoring/outcome.js";
export type { ContentPart, Json, Message, Row } from "./rows/types.js";
