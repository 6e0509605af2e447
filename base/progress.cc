#include "rcnn/base/progress.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/terminal.h"

namespace rcnn {
namespace {

constexpr int kBarCells = 24;

std::string FormatRate(double per_second, absl::string_view unit) {
  const int decimals = per_second >= 100 ? 0 : per_second >= 1 ? 1 : 3;
  return absl::StrFormat("%.*f%s%s/s", decimals, per_second, unit.empty() ? "" : " ", unit);
}

// `done` of `total` as a bar of fixed width, e.g. "[#######.................]".
std::string FormatBar(int64_t done, int64_t total) {
  if (total <= 0) return "";
  const double fraction = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const int filled = static_cast<int>(fraction * kBarCells);
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBarCells - filled, '.'), "]");
}

std::string FormatCount(int64_t done, int64_t total) {
  if (total <= 0) return absl::StrCat(done);
  return absl::StrFormat("%d/%d %3.0f %%", done, total,
                         100.0 * static_cast<double>(done) / static_cast<double>(total));
}

// counted: units done during `elapsed`, from which the rate is computed.
std::string FormatSpeed(int64_t counted, int64_t left, absl::Duration elapsed,
                        absl::string_view unit, bool with_eta) {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  if (counted <= 0 || seconds <= 0) return "";
  const double rate = static_cast<double>(counted) / seconds;
  std::string text = absl::StrCat(" ", FormatRate(rate, unit));
  if (with_eta && left > 0) {
    const absl::Duration eta = absl::Seconds(static_cast<double>(left) / rate);
    absl::StrAppend(&text, " eta ", HumanDuration(eta));
  }
  return text;
}

std::string WithNote(std::string text, absl::string_view note) {
  if (!note.empty()) absl::StrAppend(&text, "  ", note);
  return text;
}

// The closing line is not redrawn but clipped too, because it may overwrite an
// earlier line.
std::string Clipped(std::string text, const ProgressOptions& options) {
  const int columns = options.columns > 0 ? options.columns : TerminalColumns(options.stream);
  if (columns > 1 && static_cast<int>(text.size()) >= columns) {
    text.resize(static_cast<size_t>(columns) - 1);
  }
  return text;
}

}  // namespace

std::string HumanDuration(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds < 0.9995) return absl::StrFormat("%.0fms", seconds * 1e3);
  if (seconds < 59.95) return absl::StrFormat("%.1fs", seconds);
  const int64_t whole = std::llround(seconds);
  const int64_t minutes = whole / 60, hours = minutes / 60, days = hours / 24;
  if (hours == 0) return absl::StrFormat("%dm%02ds", minutes, whole % 60);
  if (days == 0) return absl::StrFormat("%dh%02dm", hours, minutes % 60);
  return absl::StrFormat("%dd%02dh", days, hours % 24);
}

Progress::Progress(std::string label, int64_t total, int64_t already_done,
                   const ProgressOptions& options)
    : label_(std::move(label)),
      total_(total),
      options_(options),
      is_terminal_(options.is_terminal.value_or(IsTerminal(options.stream))),
      start_(options.now()),
      done_(already_done),
      done_before_(already_done),
      rate_start_(start_),
      last_print_(start_) {}

Progress::~Progress() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!line_open_) return;
  std::fputc('\n', options_.stream);
  std::fflush(options_.stream);
}

void Progress::Add(int64_t units) {
  const std::lock_guard<std::mutex> lock(mutex_);
  done_ += units;
  PrintIfDue();
}

void Progress::Skip(int64_t units) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (done_ == done_before_) rate_start_ = options_.now();
  done_ += units;
  done_before_ += units;
  PrintIfDue();
}

void Progress::Show() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (is_terminal_ && !finished_) Print(/*last=*/false);
}

void Progress::SetNote(std::string note) {
  const std::lock_guard<std::mutex> lock(mutex_);
  note_ = std::move(note);
}

void Progress::Message(absl::string_view text) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (options_.quiet) return;
  std::fprintf(options_.stream, "%s%s\n", line_open_ ? "\r\033[K" : "",
               PrintableMessage(text).c_str());
  std::fflush(options_.stream);
  line_open_ = false;
  // The next unit redraws the progress line.
  if (is_terminal_) last_print_ = options_.now() - options_.terminal_interval;
}

void Progress::Finish() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (finished_) return;
  finished_ = true;
  Print(/*last=*/true);
}

void Progress::PrintIfDue() {
  const absl::Duration interval =
      is_terminal_ ? options_.terminal_interval : options_.plain_interval;
  if (!finished_ && options_.now() - last_print_ >= interval) Print(/*last=*/false);
}

void Progress::Print(bool last) {
  last_print_ = options_.now();
  if (options_.quiet) return;
  const bool eta = total_ > 0 && !last;
  std::string text = absl::StrCat(label_, " ");
  if (is_terminal_ && !last && total_ > 0) absl::StrAppend(&text, FormatBar(done_, total_), " ");
  absl::StrAppend(&text, FormatCount(done_, total_),
                  FormatSpeed(done_ - done_before_, total_ - done_, last_print_ - rate_start_,
                              options_.unit, eta));
  if (last) absl::StrAppend(&text, " in ", HumanDuration(last_print_ - start_));
  text = Printable(WithNote(std::move(text), note_));
  if (is_terminal_) text = Clipped(std::move(text), options_);
  // "\033[K" clears what a longer line left behind.
  std::fprintf(options_.stream, is_terminal_ ? "\r%s\033[K%s" : "%s%s", text.c_str(),
               last || !is_terminal_ ? "\n" : "");
  std::fflush(options_.stream);
  line_open_ = is_terminal_ && !last;
}

}  // namespace rcnn
