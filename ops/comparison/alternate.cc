#include "rcnn/ops/comparison/alternate.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>

namespace rcnn::ops {
namespace {

double MeasureMilliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

struct Spread {
  double median, lowest, highest;
};

Spread ComputeSpread(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times.front(), times.back()};
}

// The spread of the fastest variant.
Spread Fastest(const std::vector<std::vector<double>>& ways) {
  Spread best = ComputeSpread(ways[0]);
  for (const std::vector<double>& times : ways) {
    const Spread spread = ComputeSpread(times);
    if (spread.median < best.median) best = spread;
  }
  return best;
}

void RunOnce(const std::vector<std::function<void()>>& ways,
             std::vector<std::vector<double>>* times) {
  for (size_t i = 0; i < ways.size(); ++i) (*times)[i].push_back(MeasureMilliseconds(ways[i]));
}

}  // namespace

Comparison::Comparison(int rounds) : rounds_(rounds) {
  std::printf("| work | rcnn ms (lowest-highest) | peer ms (lowest-highest) | ratio | target |\n");
  std::printf("| --- | --- | --- | --- | --- |\n");
}

void Comparison::Add(const ComparedWork& work) {
  std::vector<std::vector<double>> rcnn(work.rcnn.size()), peer(work.peer.size());
  for (int round = 0; round <= rounds_; ++round) {
    RunOnce(work.rcnn, &rcnn);
    RunOnce(work.peer, &peer);
    if (round > 0) continue;
    for (std::vector<double>& times : rcnn) times.clear();
    for (std::vector<double>& times : peer) times.clear();
  }
  const Spread ours = Fastest(rcnn), theirs = Fastest(peer);
  const double ratio = ours.median / theirs.median;
  std::printf("| %s | %.2f (%.2f-%.2f) | %.2f (%.2f-%.2f) | %.3f | %.2f%s |\n", work.name.c_str(),
              ours.median, ours.lowest, ours.highest, theirs.median, theirs.lowest, theirs.highest,
              ratio, work.target_ratio, ratio <= work.target_ratio ? "" : " missed");
  std::fflush(stdout);
}

}  // namespace rcnn::ops
