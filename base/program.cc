#include "rcnn/base/program.h"

#include <errno.h>
#include <gflags/gflags.h>
#include <glog/logging.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rcnn/base/heap.h"
#include "rcnn/base/instructions_variable.h"
#include "rcnn/base/mapping_error.h"
#include "rcnn/base/nearest_names.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/process_start.h"
#include "rcnn/base/repeated_flag.h"
#include "rcnn/base/retired_flags.h"
#include "rcnn/base/shell_command.h"
#include "rcnn/base/shortest_number.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/terminal.h"

DECLARE_bool(help);
DECLARE_bool(version);

namespace rcnn {
namespace {

constexpr int kUsageError = 2;
constexpr size_t kHelpColumns = 96;

using Flag = gflags::CommandLineFlagInfo;

// Flags that rcnn's own files define. System libraries were compiled under absolute
// paths or "./".
bool IsOurs(const Flag& flag) {
  return !absl::StartsWith(flag.filename, "/") && !absl::StartsWith(flag.filename, ".");
}

std::vector<Flag> AllFlags() {
  std::vector<Flag> flags;
  gflags::GetAllFlags(&flags);
  return flags;
}

// Flags that --help shows, and flags that every program has.
bool IsForUsers(const Flag& flag) {
  return IsOurs(flag) || flag.name == "help" || flag.name == "version";
}

// User flags with similar names, with "--".
std::vector<std::string> NearestFlags(absl::string_view name) {
  std::vector<std::string> names;
  for (const Flag& flag : AllFlags()) {
    if (IsForUsers(flag)) names.push_back(flag.name);
  }
  std::vector<std::string> near = NearestNames(name, names);
  for (std::string& flag : near) flag.insert(0, "--");
  return near;
}

void PrintError(absl::string_view message) {
  // Messages quote text from files.
  std::fprintf(stderr, "%s %s\n", TextStyle(stderr).Red("error:").c_str(),
               PrintableMessage(message).c_str());
}

// The label of this program in this workspace if `bazel run` has started it, otherwise "".
std::string StartedTarget() {
  const absl::string_view program = program_invocation_name;
  const size_t outputs = program.rfind("/bazel-out/");
  const size_t built = program.find("/bin/", outputs);
  const size_t name = program.rfind('/');
  if (std::getenv("BUILD_WORKING_DIRECTORY") == nullptr || outputs == program.npos ||
      built == program.npos || absl::StartsWith(program.substr(built), "/bin/external/")) {
    return "";
  }
  const size_t package = built + sizeof("/bin");
  const absl::string_view folder = name > package ? program.substr(package, name - package) : "";
  return absl::StrCat("//", folder, ":", program.substr(name + 1));
}

[[noreturn]] void FailUsage(absl::string_view message) {
  PrintError(absl::StrCat(message, absl::EndsWith(message, "?") ? "" : ".",
                          " All flags: ", OwnCommand({"--help"})));
  std::exit(kUsageError);
}

// Whether gflags accepts `value` for a flag of this type. Integers may be
// hexadecimal.
bool IsOfType(const std::string& value, absl::string_view type) {
  bool truth = false;
  double real = 0;
  if (type == "string") return true;
  if (type == "bool") return absl::SimpleAtob(value, &truth);
  if (type == "double") return absl::SimpleAtod(value, &real);
  const bool hexadecimal = absl::StartsWith(value, "0x") || absl::StartsWith(value, "0X");
  const bool digits = value.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string::npos;
  int32_t small = 0;
  int64_t large = 0;
  uint64_t positive = 0;
  if (hexadecimal) return value.size() > 2 && digits;
  if (type == "int32") return absl::SimpleAtoi(value, &small);
  if (type == "int64") return absl::SimpleAtoi(value, &large);
  return absl::SimpleAtoi(value, &positive);
}

// Completes the message "'x' is …" about a value that is not of this type.
std::string DescribeMismatch(absl::string_view type) {
  if (type == "bool") return "neither true nor false";
  if (type == "double") return "not a number";
  return "not a whole number, or too large";
}

void CheckValue(const Flag& flag, const std::string& value) {
  if (IsOfType(value, flag.type)) return;
  FailUsage(absl::StrCat("--", flag.name, "=", value, ": '", value, "' is ",
                         DescribeMismatch(flag.type)));
}

// Finds the flag called `name`, or the boolean flag that `name` turns off ("nohelp" is about
// "help"). Returns false if there is neither.
bool FindFlag(absl::string_view name, Flag* flag) {
  if (gflags::GetCommandLineFlagInfo(std::string(name).c_str(), flag)) return true;
  return absl::ConsumePrefix(&name, "no") &&
         gflags::GetCommandLineFlagInfo(std::string(name).c_str(), flag) && flag->type == "bool";
}

[[noreturn]] void FailUnknownFlag(absl::string_view name) {
  const std::string renamed(RenamedFlag(name));
  Flag flag;
  if (!renamed.empty() && gflags::GetCommandLineFlagInfo(renamed.c_str(), &flag)) {
    FailUsage(absl::StrCat("--", name, " is now called --", renamed));
  }
  const std::vector<std::string> near = NearestFlags(name);
  FailUsage(absl::StrCat("unknown flag --", name, near.empty() ? "" : "; did you mean ",
                         absl::StrJoin(near, " or "), near.empty() ? "" : "?"));
}

// gflags also rejects unknown flags and wrong values, but its message does not say
// what to do, and it silently accepts extra words after the flags.
void CheckFlags(const ProgramOptions& options, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    absl::string_view word = argv[i];
    if (word == "--") return;
    if (!absl::StartsWith(word, "-") || word == "-") {
      if (!options.takes_arguments) FailUsage(absl::StrCat("'", word, "' is not a flag"));
      continue;
    }
    absl::ConsumePrefix(&word, "-");
    absl::ConsumePrefix(&word, "-");
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(word, absl::MaxSplits('=', 1));
    Flag flag;
    if (!FindFlag(parts.first, &flag)) FailUnknownFlag(parts.first);
    const bool has_value = absl::StrContains(word, "=");
    const bool value_follows = !has_value && flag.type != "bool";
    if (value_follows && ++i >= argc) FailUsage(absl::StrCat("--", parts.first, " needs a value"));
    if (has_value) CheckValue(flag, std::string(parts.second));
    if (value_follows) CheckValue(flag, argv[i]);
  }
}

// Wraps `text` to kHelpColumns, each line indented by `indent`.
std::string Wrapped(absl::string_view text, const std::string& indent) {
  std::string wrapped, line = indent;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (line.size() > indent.size() && line.size() + 1 + word.size() > kHelpColumns) {
      absl::StrAppend(&wrapped, line, "\n");
      line = indent;
    }
    absl::StrAppend(&line, line.size() > indent.size() ? " " : "", word);
  }
  return absl::StrCat(wrapped, line, "\n");
}

// gflags writes 0.95 with 17 digits.
std::string DefaultText(const Flag& flag) {
  double value = 0;
  if (flag.type == "double" && absl::SimpleAtod(flag.default_value, &value)) {
    return ShortestNumber(value);
  }
  return flag.default_value.empty() ? "none" : flag.default_value;
}

void PrintHelp(const ProgramOptions& options) {
  const TextStyle style(stdout);
  std::printf("%s\n\nFlags:\n", options.usage.c_str());
  for (const Flag& flag : AllFlags()) {
    if (!IsOurs(flag)) continue;
    std::printf("  %s  (%s, default: %s)\n%s", style.Bold("--" + flag.name).c_str(),
                flag.type.c_str(), DefaultText(flag).c_str(),
                Wrapped(flag.description, "      ").c_str());
  }
  std::printf("\nLogging flags such as --log_dir and --v: --helpfull.\n");
}

void PrintVersion(const ProgramOptions& options) {
  // Before anything is printed: a launcher may execute itself again for them.
  std::vector<std::string> lines;
  if (options.version_lines) lines = options.version_lines();
  std::printf("rcnn %s\n", Version().c_str());
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
}

void SetUpLogging(const char* program) {
  if (gflags::GetCommandLineFlagInfoOrDie("stderrthreshold").is_default) {
    FLAGS_stderrthreshold = google::GLOG_WARNING;
  }
  google::InitGoogleLogging(program);
  if (!FLAGS_log_dir.empty()) return;
  for (int severity = 0; severity < google::NUM_SEVERITIES; ++severity) {
    google::SetLogDestination(severity, "");
  }
}

// `bazel run` starts a program among its runfiles.
void EnterCallersDirectory() {
  const char* directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (directory != nullptr && chdir(directory) != 0) std::perror(directory);
}

}  // namespace

void ParseProgramFlags(const ProgramOptions& options, int* argc, char*** argv) {
  // Never deleted: they own the strings that argv points to from here on.
  static auto& repeated_flags = *new std::vector<std::unique_ptr<RepeatedFlag>>;
  for (const std::string& name : options.repeated_flags) {
    repeated_flags.push_back(std::make_unique<RepeatedFlag>(name, argc, argv));
  }
  gflags::SetUsageMessage(options.usage);
  gflags::SetVersionString(Version());
  CheckFlags(options, *argc, *argv);
  gflags::ParseCommandLineNonHelpFlags(argc, argv, /*remove_flags=*/true);
  if (FLAGS_help || FLAGS_version) {
    FLAGS_help ? PrintHelp(options) : PrintVersion(options);
    std::exit(0);
  }
  gflags::HandleCommandLineHelpFlags();
}

void InitProgram(const ProgramOptions& options, int* argc, char*** argv) {
  PrepareProcess();
  KeepHeap();
  InstallMappingErrorHandler();
  EnterCallersDirectory();
  // glog keeps the pointer.
  static const std::string& program = *new std::string((*argv)[0]);
  ParseProgramFlags(options, argc, argv);
  CheckInstructionsVariable();
  SetUpLogging(program.c_str());
}

std::string ProgramPath() {
  std::error_code error;
  const std::string path = std::filesystem::read_symlink("/proc/self/exe", error).string();
  const std::string launcher(absl::StripSuffix(path, kProgramSuffix));
  return launcher != path && std::filesystem::exists(launcher, error) ? launcher : path;
}

std::string OwnCommand(const std::vector<std::string>& arguments) {
  const std::string target = StartedTarget();
  if (!target.empty()) return BazelCommand(target, arguments);
  std::vector<std::string> words = {program_invocation_name};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return ShellCommand(words);
}

std::string StartedCommand() {
  std::vector<std::string> words = gflags::GetArgvs();
  if (!words.empty()) words.erase(words.begin());
  return OwnCommand(words);
}

int ExitCode(const absl::Status& status) {
  if (status.ok()) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    std::perror("error: cannot write to standard output");
    return 1;
  }
  PrintError(status.message());
  const bool stopped = status.code() == absl::StatusCode::kCancelled && ShutdownRequested();
  return stopped ? 128 + ShutdownSignal() : 1;
}

std::string Version() { return "0.1.0"; }

}  // namespace rcnn
