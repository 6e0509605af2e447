// Compares every operator on a device with the CPU's, on random arguments, for a given time, and
// prints the result as one line of JSON:
//
//   {"device": "cuda:0", "seed": 1, "operators": [
//     {"name": "nms", "cases": 212, "largest": 0.0, "tolerance": 0.0, "problem": ""}, …]}
//
// So it does after each of the first three rounds and at the end: the last line counts, also of a
// program that was killed.
//
// Exit code 1 if an operator differs. On the CPU it compares the CPU with itself, which shows that
// the program works and nothing else.

#include <c10/core/Device.h>
#include <gflags/gflags.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/device.h"
#include "rcnn/base/device_probe.h"
#include "rcnn/base/program.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/ops/cuda/compared_boxes.h"
#include "rcnn/ops/cuda/compared_rois.h"
#include "rcnn/ops/cuda/compared_training.h"
#include "rcnn/ops/cuda/device_comparison.h"

DEFINE_string(device, "cpu", "The device: cpu, cuda (the first GPU) or cuda:1.");
DEFINE_double(seconds, 10,
              "Start no new round after this many seconds; the first three always run.");
DEFINE_uint64(seed, 1, "Seed of the random arguments.");
DEFINE_bool(large, false, "The third round has 1,000,000 boxes instead of 5,000.");
DEFINE_string(
    skip, "",
    "Leave out these operators, by their names in the result, with ; between them. After an "
    "error inside a kernel all later calls of CUDA in a process fail.");

namespace rcnn::ops {
namespace {

constexpr int64_t kFixedRounds = 3;

// What became of the cases of one operator.
struct OperatorRecord {
  ComparedOperator compared;
  int64_t cases = 0;
  double largest = 0;
  std::string problem = {};  // of the first case that differs
};

// All but those of --skip, each of which must exist.
absl::StatusOr<std::vector<OperatorRecord>> ChosenOperators() {
  const std::set<std::string> skipped = absl::StrSplit(FLAGS_skip, ';', absl::SkipEmpty());
  std::set<std::string> unknown = skipped;
  std::vector<OperatorRecord> records;
  for (const auto& operators :
       {ComparedRoiOperators(), ComparedBoxOperators(), ComparedTrainingOperators()}) {
    for (const ComparedOperator& compared : operators) {
      unknown.erase(compared.name);
      if (skipped.count(compared.name) == 0) records.push_back({compared});
    }
  }
  if (unknown.empty()) return records;
  return absl::InvalidArgumentError(
      absl::StrCat("--skip: \"", *unknown.begin(), "\" is not an operator"));
}

void RunCase(const c10::Device& device, int64_t round, OperatorRecord& record) {
  ArgumentDraw draw(FLAGS_seed, round, FLAGS_large);
  const DeviceDifference found = CompareWithCpu(record.compared, device, draw);
  ++record.cases;
  record.largest = LargerDifference(record.largest, found.largest);
  if (found.problem.empty() || !record.problem.empty()) return;
  record.problem = absl::StrCat("round ", round, ": ", found.problem);
  std::cerr << record.compared.name << ": " << record.problem << std::endl;
}

nlohmann::json ToJson(const OperatorRecord& record) {
  return {{"name", record.compared.name},
          {"cases", record.cases},
          {"largest", record.largest},
          {"tolerance", record.compared.tolerance},
          {"problem", record.problem}};
}

void Print(const c10::Device& device, const std::vector<OperatorRecord>& records) {
  nlohmann::json result = {
      {"device", DeviceName(device)}, {"seed", FLAGS_seed}, {"operators", nlohmann::json::array()}};
  for (const OperatorRecord& record : records) result["operators"].push_back(ToJson(record));
  // Messages of LibTorch need not be UTF-8.
  std::cout << result.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

void RunRounds(const c10::Device& device, std::vector<OperatorRecord>& records) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(FLAGS_seconds);
  for (int64_t round = 0; round < kFixedRounds || std::chrono::steady_clock::now() < end; ++round) {
    for (OperatorRecord& record : records) RunCase(device, round, record);
    if (round < kFixedRounds) Print(device, records);
  }
}

absl::Status Run() {
  RCNN_ASSIGN_OR_RETURN(const c10::Device device, ParseDevice(FLAGS_device), "--device");
  RCNN_RETURN_IF_ERROR(CheckDevice(device, ProbeDevices()), "--device");
  RCNN_ASSIGN_OR_RETURN(std::vector<OperatorRecord> records, ChosenOperators());
  RunRounds(device, records);
  Print(device, records);
  int64_t different = 0;
  for (const OperatorRecord& record : records) different += record.problem.empty() ? 0 : 1;
  if (different == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(Counted(different, "operator differs", "operators differ"), " from the CPU's"));
}

}  // namespace
}  // namespace rcnn::ops

int main(int argc, char** argv) {
  rcnn::InitRuntime({"Compares the operators on a device with the CPU's.\n\n  compare_devices "
                     "--device=cuda --seconds=45"},
                    &argc, &argv);
  return rcnn::ExitCode(rcnn::ops::Run());
}
